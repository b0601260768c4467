"""The HTTP endpoint that Microsoft Graph delivers change notifications to."""
