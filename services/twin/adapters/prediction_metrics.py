"""Counts and times predictions."""

from prometheus_client import CollectorRegistry, Counter, Histogram

# From a forest of ten trees to the longest a caller waits [s].
_BUCKETS_S = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)


class PredictionMetrics:
    """Implements `predictor.Meter`; labels are names of published models only, so that callers cannot make series."""

    def __init__(self, metrics: CollectorRegistry) -> None:
        labels = ("model", "version")
        self._predictions = Counter(
            "futago_twin_predictions", "Rows by what became of them", (*labels, "outcome"), registry=metrics
        )
        self._duration_s = Histogram(
            "futago_twin_inference_seconds",
            "Time to predict one row or one batch",
            labels,
            buckets=_BUCKETS_S,
            registry=metrics,
        )

    def predicted(self, model: str, version: str, *, rows: int, refused: int, duration_s: float) -> None:
        """Count one answered row or batch."""
        self._predictions.labels(model, version, "predicted").inc(rows)
        if refused:
            self._predictions.labels(model, version, "refused").inc(refused)
        self._duration_s.labels(model, version).observe(duration_s)

    def refused(self, model: str, version: str) -> None:
        """Count one row whose inputs could not be used."""
        self._predictions.labels(model, version, "refused").inc()
