"""Checks of an account before it is relied on, one after the other, each with its finding and remedy."""
