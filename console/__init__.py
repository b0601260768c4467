"""Command line and wiring: the only package that imports every other one."""
