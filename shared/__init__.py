"""Plumbing that at least two services need; it knows no service."""
