"""Counts and times predictions."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.twin.domain.applicability import State
from services.twin.domain.fail_safe import Cause, FailSafePolicy
from services.twin.domain.prediction import Prediction
from services.twin.domain.serving import Answer, Requester
from shared.errors import JSON
from shared.series import SeriesBounds
from shared.tracing import record_span

# From a forest of ten trees to the longest a caller waits [s].
_BUCKETS_S = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
LABELS = ("model", "version")


class PredictionMetrics:
    """Implements `predictor.Meter` and `serving.PredictionWatch`.

    Labels are names of published models only, and of those no more than the bound lets in.
    """

    def __init__(self, metrics: CollectorRegistry, bounds: SeriesBounds) -> None:
        self._bound = bounds.bound("models", LABELS)
        self._names = bounds.bound("model_names", ("model",))
        self._predictions = self._bound.watch(
            Counter("futago_twin_predictions", "Rows by what became of them", (*LABELS, "outcome"), registry=metrics)
        )
        self._duration_s = self._bound.watch(
            Histogram(
                "futago_twin_inference_seconds",
                "Time to predict one row or one batch",
                LABELS,
                buckets=_BUCKETS_S,
                registry=metrics,
            )
        )
        self._applicability = self._bound.watch(
            Counter(
                "futago_twin_applicability",
                "Predictions by whether their inputs resemble the training rows: in, edge, out",
                (*LABELS, "state"),
                registry=metrics,
            )
        )
        self._fail_safe = self._names.watch(
            Counter(
                "futago_twin_fail_safe",
                "Rows that the model itself did not answer, by what was done instead and why",
                ("model", "policy", "cause"),
                registry=metrics,
            )
        )
        self._stuck = self._names.watch(
            Counter(
                "futago_twin_stuck_features",
                "Features that stood still, at each prediction",
                ("model",),
                registry=metrics,
            )
        )
        # Looking a series up by its labels costs more than counting.
        self._children: dict[tuple[str, ...], _Children] = {}
        self._bound.on_forget(self._forget)

    def predicted(self, model: str, version: str, *, rows: int, refused: int, duration_s: float) -> None:
        """Count one answered row or batch."""
        children = self._children_of(model, version)
        children.predicted.inc(rows)
        if refused:
            children.refused.inc(refused)
        children.duration_s.observe(duration_s)
        record_span("predict", duration_s, {"futago.model": model, "futago.version": version, "futago.rows": rows})

    def refused(self, model: str, version: str) -> None:
        """Count one row whose inputs could not be used."""
        self._children_of(model, version).refused.inc()

    def failed_safe(self, model: str, version: str, *, policy: FailSafePolicy, cause: Cause) -> None:  # noqa: ARG002
        """Count one row that a fail-safe policy was taken for."""
        self._fail_safe.labels(*self._names.admit(model), policy.value, cause.value).inc()

    def stuck(self, model: str, *, features: int) -> None:
        """Count features that seem to stand still."""
        self._stuck.labels(*self._names.admit(model)).inc(features)

    def seen(
        self,
        answer: Answer[Prediction],
        inputs: Mapping[str, JSON],  # noqa: ARG002 (of the protocol)
        requester: Requester,  # noqa: ARG002
    ) -> None:
        """Count where the inputs of a prediction lie."""
        found = answer.content
        self._children_of(found.model, found.version).places[found.applicability.state].inc()

    def _forget(self, values: tuple[str, ...]) -> None:
        self._children.pop(values, None)

    def _children_of(self, model: str, version: str) -> "_Children":
        values = self._bound.admit(model, version)
        children = self._children.get(values)
        if children is None:
            children = self._children[values] = _Children(
                self._predictions, self._duration_s, self._applicability, values
            )
        return children


class _Children:
    """The series of one version."""

    __slots__ = ("duration_s", "places", "predicted", "refused")

    def __init__(
        self, predictions: Counter, duration_s: Histogram, applicability: Counter, values: tuple[str, ...]
    ) -> None:
        self.predicted = predictions.labels(*values, "predicted")
        self.refused = predictions.labels(*values, "refused")
        self.duration_s = duration_s.labels(*values)
        self.places = {state: applicability.labels(*values, state.value) for state in State}
