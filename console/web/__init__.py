"""The web console: its pages, its API, and sign-in to both."""
