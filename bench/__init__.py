"""Figures, each beside a bare baseline measured in the same run. `make bench`, or `python -m bench NAME …`."""
