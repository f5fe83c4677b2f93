"""Plans as files other programs read."""
