"""The language of the output: catalogues, help, labels, and texts that are stored in English."""
