"""Delivery: rules are checked against imported mail, and what they select is saved into import folders, once each."""
