"""Anomaly detection: train on normal data, score new rows, explain and alert."""
