"""The certificate stores of Windows, whose keys sign through CNG and never leave their place."""
