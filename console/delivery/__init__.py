"""`mail-importer delivery`: the files that import rules save."""
