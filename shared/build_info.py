"""Which release a process runs, as a metric."""

from prometheus_client import CollectorRegistry, Gauge

VERSION = "0.1.0"


def show_build(registry: CollectorRegistry, *, service: str, revision: str) -> None:
    """Show the release of this process.

    Parameters
    ----------
    revision
        The commit it was built from.
    """
    Gauge(
        "futago_build_info",
        "1 for the release that this process runs",
        ("service", "version", "revision"),
        registry=registry,
    ).labels(service, VERSION, revision).set(1)
