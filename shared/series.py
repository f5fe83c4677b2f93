"""How many series a label may have whose values come from users: names of models, detectors and assets.

Prometheus keeps every series it has ever seen in memory, so a caller that could name new assets without end could fill
that memory. Up to a limit each name has series of its own; what comes beyond it is counted together, under `other`.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

OTHER = "other"
# An asset or a model that nothing was heard of for so long makes room.
IDLE_S = 24 * 3600.0

MetricT = TypeVar("MetricT", bound=MetricWrapperBase)
Values = tuple[str, ...]


class BoundedSeries:
    """The series of some metrics that share their first labels.

    Parameters
    ----------
    labels
        The labels that are bounded, such as `("model", "version")`.
    limit
        Most values, or combinations of them, that have series of their own.
    """

    def __init__(self, labels: Values, limit: int, *, now_s: Callable[[], float]) -> None:
        self.labels, self.others = labels, 0
        self._limit, self._now_s = limit, now_s
        self._other: Values = (OTHER,) * len(labels)
        self._used_s: dict[Values, float] = {}
        self._metrics: list[MetricWrapperBase] = []
        self._forgotten: list[Callable[[Values], None]] = []
        self._is_gone: Callable[[Values], bool] = lambda _: False

    def __len__(self) -> int:
        return len(self._used_s)

    def watch(self, metric: MetricT) -> MetricT:
        """Let go of this metric's series too when their values go."""
        self._metrics.append(metric)
        return metric

    def on_forget(self, listener: Callable[[Values], None]) -> None:
        """Tell whoever keeps children of the metrics that these have gone."""
        self._forgotten.append(listener)

    def gone_when(self, is_gone: Callable[[Values], bool]) -> None:
        """What to ask, at every look at the metrics, to let go of values that no longer exist."""
        self._is_gone = is_gone

    def admit(self, *values: str) -> Values:
        """The values to use as labels: these, or `other` for each where there are too many."""
        if values not in self._used_s and len(self._used_s) >= self._limit:
            self.others += 1
            return self._other
        self._used_s[values] = self._now_s()
        return values

    def forget(self, values: Values) -> None:
        """Remove the series of these values."""
        if self._used_s.pop(values, None) is None:
            return
        for metric in self._metrics:
            metric.remove_by_labels(dict(zip(self.labels, values, strict=True)))
        for listener in self._forgotten:
            listener(values)

    def sweep(self) -> None:
        """Remove what no longer exists, and what was not used for a day."""
        idle_before_s = self._now_s() - IDLE_S
        for values, used_s in list(self._used_s.items()):
            if used_s < idle_before_s or self._is_gone(values):
                self.forget(values)


class SeriesBounds(Collector):
    """The bounds of one process; sweeps them whenever its metrics are read.

    Parameters
    ----------
    limit
        For each bound.
    """

    def __init__(self, registry: CollectorRegistry, limit: int, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self.limit, self._now_s = limit, now_s
        self._bounds: dict[str, BoundedSeries] = {}
        self._sweeps: list[Callable[[], None]] = []
        # Collectors are asked in the order in which they came: this one before those whose series it removes.
        registry.register(self)

    def bound(self, name: str, labels: Values) -> BoundedSeries:
        """The bound of this name; `name` is its label in the metrics of the bounds themselves."""
        found = self._bounds.get(name)
        if found is None:
            found = self._bounds[name] = BoundedSeries(labels, self.limit, now_s=self._now_s)
        return found

    def also(self, sweep: Callable[[], None]) -> None:
        """Let metrics that bound themselves sweep at the same time."""
        self._sweeps.append(sweep)

    def describe(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        return self._families()

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        others, kept = self._families()
        for sweep in self._sweeps:
            sweep()
        for name, bound in self._bounds.items():
            bound.sweep()
            others.add_metric((name,), bound.others)
            kept.add_metric((name,), len(bound))
        yield others
        yield kept

    @staticmethod
    def _families() -> tuple[CounterMetricFamily, GaugeMetricFamily]:
        return (
            CounterMetricFamily(
                "futago_series_other",
                "Values counted under `other`, because the limit of names with their own series is reached",
                labels=("bound",),
            ),
            GaugeMetricFamily("futago_series_names", "Names that have their own series", labels=("bound",)),
        )
