"""Measurements, each beside a floor or a peer in the same run: trust the ratios, absolutes depend on the machine."""
