"""Figures as files that people open."""
