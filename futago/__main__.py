"""`python -m futago` is the `futago` command."""

from futago.cli import main

main()
