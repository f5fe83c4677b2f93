"""What each `futago` command does; `futago/cli.py` is the list of them."""
