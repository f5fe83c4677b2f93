"""The twin's requests and answers as JSON."""
