"""Services of the peers that the twin is measured beside; each runs in its own environment."""
