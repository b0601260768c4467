"""`mail-importer db`: schema, grants and deletion of old messages."""
