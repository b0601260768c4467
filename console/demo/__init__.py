"""`mail-importer demo` and `simulator`: the pipeline against a simulated Microsoft Graph."""
