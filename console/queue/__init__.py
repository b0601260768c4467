"""`mail-importer queue`: counts, dead letters, replay, purge and audit."""
