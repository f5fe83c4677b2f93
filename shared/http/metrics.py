"""Rate, errors and duration of every route, and the registry a service adds its own metrics to."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from shared.exposition import exposition
from shared.series import SeriesBounds

# From a cached prediction to the longest request that is not a job [s].
_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class ServiceMetrics:
    """The metrics of one process.

    Requests are counted by the route's template, never by the raw path: a caller could make as many paths as it likes.

    Parameters
    ----------
    series_limit
        Most models, detectors and assets, of each, that have series of their own.
    """

    def __init__(self, service: str, *, series_limit: int = 1_000) -> None:
        self.service = service
        self.registry = CollectorRegistry()
        self.bounds = SeriesBounds(self.registry, series_limit)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        labels = ("service", "method", "route")
        self.requests = Counter(
            "futago_http_requests", "Requests answered", (*labels, "status"), registry=self.registry
        )
        self.duration_s = Histogram(
            "futago_http_request_duration_seconds",
            "Time to the end of the answer",
            labels,
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "futago_http_requests_in_flight", "Requests being answered", ("service",), registry=self.registry
        ).labels(service)
        self.key_file_faults = Counter(
            "futago_key_file_faults",
            "Looks at a file of keys that was missing or broken; the keys read before go on",
            ("service",),
            registry=self.registry,
        ).labels(service)
        # Looking a series up by its labels costs more than counting; there are as many as routes and statuses.
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, *, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one answered request."""
        series = self._series.get((method, route, status))
        if series is None:
            series = (
                self.requests.labels(self.service, method, route, str(status)),
                self.duration_s.labels(self.service, method, route),
            )
            self._series[method, route, status] = series
        requests, duration = series
        requests.inc()
        duration.observe(duration_s)

    def total_requests(self) -> int:
        """Requests answered since the start, all routes together."""
        samples = (sample for metric in self.requests.collect() for sample in metric.samples)
        return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))

    def exposition(self) -> bytes:
        """All metrics of the process in Prometheus text format."""
        return exposition(self.registry)
