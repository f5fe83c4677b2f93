"""What `/metrics` of every process answers: Prometheus' text format."""

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def exposition(registry: CollectorRegistry) -> bytes:
    """All metrics of a process.

    When each counter and histogram was made is left out: in this format it is one more series for each of them, and
    Prometheus sees by itself that a counter began anew.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call] # the library's own
    return generate_latest(registry)
