"""The queue: its port, what travels on it, and its adapters."""
