"""The twin: calibrated predictions from signed ONNX bundles."""
