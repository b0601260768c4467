"""`mail-importer accounts`: mailboxes, their settings, bulk files, history and folders."""
