"""Which version of each model answers, as a metric."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class ModelInfo(Collector):
    """Shows what is served at the moment Prometheus asks: a model that was withdrawn is gone from there.

    Parameters
    ----------
    served
        Name and active version of each model.
    limit
        Most models that are shown; the first by name.
    """

    def __init__(self, served: Callable[[], Sequence[tuple[str, str]]], *, limit: int) -> None:
        self._served, self._limit = served, limit

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return (self._family(),)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = self._family()
        for model, version in self._served()[: self._limit]:
            family.add_metric((model, version), 1)
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        text = "1 for the version of each model that answers"
        return GaugeMetricFamily("futago_twin_model_info", text, labels=("model", "version"))
