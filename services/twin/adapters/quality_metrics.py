"""The live figures of each version as metrics."""

from collections import OrderedDict
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.twin.domain.coverage import CoverageState
from services.twin.domain.live_quality import LiveState

# Versions with series of their own; of more, those that were observed longest ago lose theirs.
_VERSIONS = 1_000
_LABELS = ("model", "version")


class QualityMetrics:
    """Every replica shows the same gauges, of what all of them have learned; the counter is of this one."""

    def __init__(self, metrics: CollectorRegistry, *, versions_limit: int = _VERSIONS) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"futago_twin_{name}", text, _LABELS, registry=metrics)

        self._residual = gauge("residual", "Newest measured value minus its prediction")
        self._coverage = gauge("coverage", "Share of recent measured values inside their 90 % interval")
        self._bias = gauge("bias", "Mean of the recent residuals")
        self._rmse = gauge("rmse", "Root mean square of the recent residuals")
        self._out_of_band = gauge("coverage_out_of_band", "1 while coverage is alarming")
        self._observations = Counter(
            "futago_twin_observations", "Measured values taken in", (*_LABELS, "outcome"), registry=metrics
        )
        self._shown: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._limit = versions_limit

    def show(self, model: str, version: str, state: LiveState) -> None:
        """Show the figures of a version."""
        figures = state.figures()
        if figures is None:
            return
        self._make_room((model, version))
        self._residual.labels(model, version).set(state.window[-1].residual)
        self._coverage.labels(model, version).set(figures.coverage)
        self._bias.labels(model, version).set(figures.bias)
        self._rmse.labels(model, version).set(figures.rmse)
        self._out_of_band.labels(model, version).set(state.alarm.state is not CoverageState.OK)

    def count(self, model: str, version: str, *, new: int, duplicates: int) -> None:
        """Count observations that came to this process."""
        self._make_room((model, version))
        self._observations.labels(model, version, "new").inc(new)
        self._observations.labels(model, version, "duplicate").inc(duplicates)

    def keep(self, is_served: Callable[[str, str], bool]) -> None:
        """Let go of the series of versions that are served no more."""
        for key in [key for key in self._shown if not is_served(*key)]:
            del self._shown[key]
            self._remove(key)

    def _make_room(self, key: tuple[str, str]) -> None:
        self._shown[key] = None
        self._shown.move_to_end(key)
        if len(self._shown) > self._limit:
            self._remove(self._shown.popitem(last=False)[0])

    def _remove(self, key: tuple[str, str]) -> None:
        labels = dict(zip(_LABELS, key, strict=True))
        for metric in (self._residual, self._coverage, self._bias, self._rmse, self._out_of_band, self._observations):
            metric.remove_by_labels(labels)
