"""Inspection planning: exact scores, explanations and search."""
