"""Where models come from and where rules are kept."""
