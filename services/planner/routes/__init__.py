"""The planner's HTTP interface."""
