"""The web console: pages and an API for operators, on an address of its own."""
