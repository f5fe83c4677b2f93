"""One readable file for each family of networks."""
