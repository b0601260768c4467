"""The life of the Graph subscriptions: plan, create, renew, remove."""
