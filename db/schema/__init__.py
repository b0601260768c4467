"""The schema: revisions, what each adds, comparison with a database, and the script for an administrator."""
