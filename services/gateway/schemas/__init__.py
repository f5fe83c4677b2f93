"""What goes over the wire between a caller and the gateway's own routes."""
