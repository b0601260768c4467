<<<<<<< HEAD
"""The web console: its pages, its API, and sign-in to both."""
=======
"""The web console: pages and an API for operators, on an address of its own."""
>>>>>>> p2
