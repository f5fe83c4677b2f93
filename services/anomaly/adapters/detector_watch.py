"""Which detectors there are, as a metric; and which there are no more, whose series then go."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

from anyio import to_thread
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)

_EVERY_S = 30.0


class DetectorWatch(Collector):
    """Follows the list of detectors; deletions by other replicas are seen within half a minute.

    Parameters
    ----------
    served
        Reads name and serving version of every detector; it blocks.
    limit
        Most detectors that are shown; the first by name.
    forget
        Hears once of each detector that was listed and is no more: one that is not listed yet may just be new.
    """

    def __init__(
        self, served: Callable[[], Sequence[tuple[str, int]]], *, limit: int, forget: Callable[[tuple[str]], None]
    ) -> None:
        self._served, self._limit, self._forget = served, limit, forget
        self._known: Sequence[tuple[str, int]] = ()

    async def run(self) -> None:
        """Follow until cancelled; while the database is away, what was read last is shown."""
        while True:
            try:
                await self.refresh()
            except AppError as error:
                log.warning("detectors_not_listed", code=error.code)
            await asyncio.sleep(_EVERY_S)

    async def refresh(self) -> None:
        """Read the list.

        Raises
        ------
        DatabaseUnavailable
            If the database does not answer.
        """
        before, self._known = self._known, await to_thread.run_sync(self._served)
        for name in {name for name, _ in before} - {name for name, _ in self._known}:
            self._forget((name,))

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return (self._family(),)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = self._family()
        for name, version in self._known[: self._limit]:
            family.add_metric((name, str(version)), 1)
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        text = "1 for the version of each detector that answers"
        return GaugeMetricFamily("futago_anomaly_detector_info", text, labels=("detector", "version"))
