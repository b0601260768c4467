"""Specifics of each kind of database: its connections, and the meaning of its errors."""
