"""Which release a process runs and what it takes of the machine, as metrics."""

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

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


def show_process(registry: CollectorRegistry, *, service: str, revision: str) -> None:
    """The same with memory, processor time and open files, for a process that has no `ServiceMetrics`."""
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    show_build(registry, service=service, revision=revision)
