"""Command line and wiring: the one package that imports every other one."""
