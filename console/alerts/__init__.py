"""`mail-importer alerts`: the targets of alerts, a test of them, and what was sent."""
