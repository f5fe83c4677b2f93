"""Detectors on public data, beside what needs no detector: a pump, a process, servers, a spacecraft; and noise.

`python -m benchmarks anomaly` prints every table but that of the networks, which `anomaly_networks` prints: they take
some minutes. No detector sees a label. What the defaults were chosen on is said in `docs/reference/detectors.md`.
"""

from benchmarks.anomaly import imperfect, noise, process, pump, quiet, servers


def main() -> None:
    """Print one table after the other."""
    for part in (pump, quiet, noise, process, servers, imperfect):
        part.main()
