"""The rules a plan is scored by, one file each."""
