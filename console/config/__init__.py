"""`mail-importer config`: the settings of this process, their sources and checks."""
