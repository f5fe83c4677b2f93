"""Training; the only place of the suite that imports torch."""
