"""What a prediction is: inputs, intervals, applicability, alert rules. Pure."""
