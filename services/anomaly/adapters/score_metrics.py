"""What the anomaly service counts, in Prometheus."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.contracts.alert import Alert
from shared.series import SeriesBounds
from shared.tracing import record_span

# From one row on a warm detector to a full batch on a large network [s].
_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# A row that is older when it is scored comes too late for whoever watches a plant live [s].
_LATE_S = 60.0
LABELS = ("detector",)


class ScoreMetrics:
    """Implements `scoring.ScoreObserver` and `streaming.StreamObserver`.

    Parameters
    ----------
    bounds
        Let in so many detectors, and so many assets; what comes beyond is counted as `other`.
    loaded
        Tells how many detectors are in memory.
    """

    def __init__(self, registry: CollectorRegistry, bounds: SeriesBounds, loaded: Callable[[], int]) -> None:
        self._registry = registry
        self.detectors = bounds.bound("detectors", LABELS)
        self._assets = bounds.bound("assets", ("asset",))

        def counter(name: str, text: str) -> Counter:
            return self.detectors.watch(Counter(f"futago_anomaly_{name}", text, LABELS, registry=registry))

        self._rows = counter("rows_scored", "Rows scored")
        self._anomalous = counter("anomalous_rows", "Rows above the threshold")
        self._streamed = counter("stream_rows", "Rows that streams brought")
        self._repeated = counter("stream_repeated_rows", "Rows that came again")
        self._duration_s = self.detectors.watch(
            Histogram(
                "futago_anomaly_score_duration_seconds",
                "Time from a call to its scores",
                LABELS,
                buckets=_BUCKETS_S,
                registry=registry,
            )
        )
        self._lag_s = self.detectors.watch(
            Gauge(
                "futago_anomaly_stream_lag_seconds",
                "Age of the newest row of the last call of a stream",
                LABELS,
                registry=registry,
            )
        )
        # A gauge of the last call hides the late rows of one asset behind the punctual ones of all others.
        self._late = counter("stream_late_calls", "Calls of streams whose newest row was more than a minute old")
        self._refused = Counter(
            "futago_anomaly_stream_refused", "Calls of streams that were not answered", ("code",), registry=registry
        )
        self._alerts = self._assets.watch(
            Counter(
                "futago_anomaly_alerts",
                "Alerts raised, by the asset they concern (empty where none was named) and by severity",
                ("asset", "severity"),
                registry=registry,
            )
        )
        self.alerts_lost = Counter("futago_anomaly_alerts_lost", "Alerts that could not be sent", registry=registry)
        gauge = Gauge("futago_anomaly_detectors_loaded", "Detectors in memory", registry=registry)
        gauge.set_function(loaded)

    def watch_health(self, lost_rows: Callable[[], int]) -> None:
        """Show how many rows could not be recorded for the health of their assets."""
        gauge = Gauge("futago_anomaly_health_rows_lost", "Rows that health does not know of", registry=self._registry)
        gauge.set_function(lost_rows)

    def scored(self, detector: str, *, rows: int, anomalous: int, duration_s: float) -> None:
        labels = self.detectors.admit(detector)
        self._rows.labels(*labels).inc(rows)
        self._anomalous.labels(*labels).inc(anomalous)
        self._duration_s.labels(*labels).observe(duration_s)
        record_span("score", duration_s, {"futago.detector": detector, "futago.rows": rows})

    def streamed(self, detector: str, *, rows: int, repeated: int, lag_s: float | None) -> None:
        labels = self.detectors.admit(detector)
        self._streamed.labels(*labels).inc(rows)
        self._repeated.labels(*labels).inc(repeated)
        if lag_s is not None:
            self._lag_s.labels(*labels).set(lag_s)
            self._late.labels(*labels).inc(lag_s > _LATE_S)

    def stream_refused(self, code: str) -> None:
        self._refused.labels(code).inc()

    def raised(self, alerts: Sequence[Alert]) -> None:
        """Count alerts that this service raised."""
        for alert in alerts:
            self._alerts.labels(*self._assets.admit(alert.asset or ""), alert.severity.value).inc()
