"""What the anomaly service counts, in Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# From one row on a warm detector to a full batch on a large network [s].
_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ScoreMetrics:
    """Implements `scoring.ScoreObserver` and `streaming.StreamObserver`; there are as many label values as detectors.

    Parameters
    ----------
    loaded
        Tells how many detectors are in memory.
    """

    def __init__(self, registry: CollectorRegistry, loaded: Callable[[], int]) -> None:
        self._registry = registry
        self._rows = Counter("futago_anomaly_rows_scored", "Rows scored", ("detector",), registry=registry)
        self._anomalous = Counter(
            "futago_anomaly_anomalous_rows", "Rows above the threshold", ("detector",), registry=registry
        )
        self._duration_s = Histogram(
            "futago_anomaly_score_duration_seconds",
            "Time from a call to its scores",
            ("detector",),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self.alerts_lost = Counter("futago_anomaly_alerts_lost", "Alerts that could not be sent", registry=registry)
        self._streamed = Counter(
            "futago_anomaly_stream_rows", "Rows that streams brought", ("detector",), registry=registry
        )
        self._repeated = Counter(
            "futago_anomaly_stream_repeated_rows", "Rows that came again", ("detector",), registry=registry
        )
        self._lag_s = Gauge(
            "futago_anomaly_stream_lag_seconds",
            "Age of the newest row of the last call of a stream",
            ("detector",),
            registry=registry,
        )
        self._refused = Counter(
            "futago_anomaly_stream_refused", "Calls of streams that were not answered", ("code",), registry=registry
        )
        gauge = Gauge("futago_anomaly_detectors_loaded", "Detectors in memory", registry=registry)
        gauge.set_function(loaded)

    def watch_health(self, lost_rows: Callable[[], int]) -> None:
        """Show how many rows could not be recorded for the health of their assets."""
        gauge = Gauge("futago_anomaly_health_rows_lost", "Rows that health does not know of", registry=self._registry)
        gauge.set_function(lost_rows)

    def scored(self, detector: str, *, rows: int, anomalous: int, duration_s: float) -> None:
        self._rows.labels(detector).inc(rows)
        self._anomalous.labels(detector).inc(anomalous)
        self._duration_s.labels(detector).observe(duration_s)

    def streamed(self, detector: str, *, rows: int, repeated: int, lag_s: float | None) -> None:
        self._streamed.labels(detector).inc(rows)
        self._repeated.labels(detector).inc(repeated)
        if lag_s is not None:
            self._lag_s.labels(detector).set(lag_s)

    def stream_refused(self, code: str) -> None:
        self._refused.labels(code).inc()
