"""The simulated world: tenants, mailboxes, mail and subscriptions."""
