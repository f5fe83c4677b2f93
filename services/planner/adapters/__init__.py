"""The planner's ties to the outside: tables and public holidays."""
