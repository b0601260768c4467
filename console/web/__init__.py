"""The web console: pages and an API for operators, in a browser."""
