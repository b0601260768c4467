"""The gateway database: tables and the SQL that runs on them."""
