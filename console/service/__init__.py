"""The Windows service: the commands that manage it, its host process, and its events."""
