"""Mail and files: parsed as Exchange does, and made up from a seed."""
