"""`python -m console` is `mail-importer`."""

from console.main import main

main()
