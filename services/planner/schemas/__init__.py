"""What the planner reads and writes on the wire."""
