"""The paths of the twin."""
