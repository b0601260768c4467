"""Microsoft Graph and the sign-in service as HTTP: calls, permissions, limits, notifications."""
