"""Everything of the anomaly service that touches files, databases or ONNX Runtime."""
