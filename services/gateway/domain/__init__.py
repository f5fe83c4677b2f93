"""Decisions of the gateway, free of input and output."""
