"""`futago up`: the whole suite on one machine, as real processes under one supervisor."""
