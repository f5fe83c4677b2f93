"""What the anomaly service reads and writes as JSON."""
