"""`mail-importer subscriptions`: what Graph has against what the database has."""
