"""The certificate stores of Windows, whose keys sign through CNG and are never exported."""
