"""Alerts of problems: what is due, its text, and its way to each target."""
