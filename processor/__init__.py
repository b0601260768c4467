"""Workers that turn queued notifications into committed rows."""
