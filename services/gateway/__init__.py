"""The door: who may come in, where requests go, and what was done by whom."""
