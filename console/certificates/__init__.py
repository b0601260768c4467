"""`mail-importer certificates`: the store, new certificates, and conversion between file formats."""
