"""`mail-importer accounts`: mailboxes, their settings, files of many, history and folders."""
