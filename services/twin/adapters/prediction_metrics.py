"""Counts and times predictions."""

from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.twin.domain.fail_safe import Cause, FailSafePolicy

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
        self._fail_safe = Counter(
            "futago_twin_fail_safe",
            "Rows that the model itself did not answer, by what was done instead and why",
            ("model", "policy", "cause"),
            registry=metrics,
        )
        self._stuck = Counter(
            "futago_twin_stuck_features", "Features that stood still, at each prediction", ("model",), registry=metrics
        )

    def predicted(self, model: str, version: str, *, rows: int, refused: int, duration_s: float) -> None:
        """Count one answered row or batch."""
        predictions, duration = self._series_of(model, version)
        predictions.inc(rows)
        if refused:
            self._predictions.labels(model, version, "refused").inc(refused)
        duration.observe(duration_s)

    def refused(self, model: str, version: str) -> None:
        """Count one row whose inputs could not be used."""
        self._predictions.labels(model, version, "refused").inc()

    def failed_safe(self, model: str, version: str, *, policy: FailSafePolicy, cause: Cause) -> None:  # noqa: ARG002
        """Count one row that a fail-safe policy was taken for."""
        self._fail_safe.labels(model, policy.value, cause.value).inc()

    def stuck(self, model: str, *, features: int) -> None:
        """Count features that seem to stand still."""
        self._stuck.labels(model).inc(features)

    @lru_cache(maxsize=1_024)  # noqa: B019 (lives as long as its process)
    def _series_of(self, model: str, version: str) -> tuple[Counter, Histogram]:
        """Looking a series up by its labels costs more than counting."""
        return self._predictions.labels(model, version, "predicted"), self._duration_s.labels(model, version)
