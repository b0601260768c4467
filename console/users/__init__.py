"""Commands of the web console: its users, and the one-time link."""
