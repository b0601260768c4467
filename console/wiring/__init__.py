"""Components made from the settings: the only place where packages are wired."""
