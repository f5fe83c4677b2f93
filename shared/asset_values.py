"""The newest values of each asset, for whoever watches one: as gauges, and as points of a history.

Noting a value is a look into a table and no more: the work is done when Prometheus asks, or the history is written.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.series import BoundedSeries


class Newest(NamedTuple):
    """The newest values of one asset.

    Parameters
    ----------
    subject
        The model or detector that they come from; empty where they come from no single one.
    at_s
        When they were measured or answered [s since 1970].
    values
        In the order of the names.
    """

    subject: str
    asset: str
    at_s: float
    values: tuple[float, ...]


class AssetValues(Collector):
    """Keeps the newest values, of as many assets as the bound lets in; those beyond are counted by the bound.

    Parameters
    ----------
    gauges
        For each value the name and the help of its gauge.
    subject
        Label of what the values come from; `None` where they come from no single one.
    bound
        With the labels `(subject, "asset")`, or `("asset",)`.
    """

    def __init__(self, gauges: Mapping[str, str], subject: str | None, bound: BoundedSeries) -> None:
        self._gauges, self._bound = dict(gauges), bound
        self._labels = ("asset",) if subject is None else (subject, "asset")
        self._newest: dict[tuple[str, ...], Newest] = {}
        self._changed: dict[tuple[str, ...], Newest] = {}
        bound.on_forget(self._forget)

    def put(self, subject: str, asset: str, at_s: float, values: tuple[float, ...]) -> None:
        """Note the newest values of an asset."""
        key = (subject, asset) if len(self._labels) > 1 else (asset,)
        if self._bound.admit(*key) == key:
            self._newest[key] = self._changed[key] = Newest(subject, asset, at_s, values)

    def take_changed(self) -> list[Newest]:
        """What is new since this was last asked for, the newest of each asset."""
        changed, self._changed = self._changed, {}
        return list(changed.values())

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families = self._families()
        for key, newest in list(self._newest.items()):
            for family, value in zip(families, newest.values, strict=True):
                family.add_metric(key, value)
        yield from families

    def _families(self) -> list[GaugeMetricFamily]:
        return [GaugeMetricFamily(name, text, labels=self._labels) for name, text in self._gauges.items()]

    def _forget(self, key: tuple[str, ...]) -> None:
        self._newest.pop(key, None)
        self._changed.pop(key, None)
