"""`mail-importer status`: the state of the whole installation."""
