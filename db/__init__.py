"""The gateway database: tables, migrations and the statements that touch them."""
