"""The queue in the gateway database."""
