"""Detectors on public data, beside what needs no detector: a pump, a chemical process, servers, a spacecraft.

`python -m benchmarks anomaly` prints every table but that of the networks, which `anomaly_networks` prints: they take
about half an hour. No detector sees a label. What the defaults were chosen on is said in `docs/reference/detectors.md`.
"""

from benchmarks.anomaly import imperfect, process, pump, quiet, servers


def main() -> None:
    """Print one table after the other."""
    for part in (pump, quiet, process, servers, imperfect):
        part.main()
