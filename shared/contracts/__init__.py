"""Payloads that cross a process border, as frozen dataclasses."""
