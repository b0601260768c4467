"""Checks of an account before anything relies on it, one after the other, each with its finding and what to do."""
