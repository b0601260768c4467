"""Several processes of the same roles under one supervisor: `--processes`, or the setting `processes`."""
