"""The planning model: pure values and rules."""
