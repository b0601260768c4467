"""Microsoft Graph as this product needs it: certificates, tokens, HTTP within the limits, typed errors."""
