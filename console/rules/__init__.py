"""`mail-importer rules`: import rules, their order, files of many, history and tests."""
