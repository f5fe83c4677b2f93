"""The anomaly service's part of the public HTTP contract."""
