"""Import rules: which mail they fit, and which files they save. No I/O; neither database nor file is known here."""
