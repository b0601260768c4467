"""A local stand-in of Microsoft Graph and of the sign-in service. Imports nothing of the product."""
