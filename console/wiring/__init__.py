"""Components made from the settings: the one place where packages are put together."""
