"""Model bundles: manifest, signature, folder and zip, and the ONNX Runtime session."""
