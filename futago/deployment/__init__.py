"""What a deployment outside `futago up` needs before its first start."""
