"""What one model on its own has learned from observations: in memory, and in a file where there is one."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from anyio import to_thread
from prometheus_client import CollectorRegistry

from services.twin.adapters.alert_log import log_alert
from services.twin.adapters.local_live import read_state, write_state
from services.twin.adapters.onnx_model import ServedModel
from services.twin.adapters.quality_metrics import QualityMetrics
from services.twin.domain.coverage_alerts import coverage_alert
from services.twin.domain.live_correction import LiveCorrection
from services.twin.domain.live_quality import LiveState, Measured
from services.twin.domain.observed import Comparison, Kept
from shared.clock import Clock

# Observations that are known again when they are sent twice; the oldest makes room.
_REMEMBERED = 10_000


class LocalRecords:
    """Implements `observed.LiveRecords` and `serving.Corrections` for one version.

    Parameters
    ----------
    path
        Where the state is kept over restarts; `None` keeps it in memory alone.

    Raises
    ------
    StateUnreadable
        If the file is there and is no live state.
    """

    def __init__(self, model: ServedModel, path: Path | None, clock: Clock, metrics: CollectorRegistry) -> None:
        self._model, self._path, self._clock = model, path, clock
        self._figures = QualityMetrics(metrics)
        self._state = LiveState() if path is None else read_state(path, model.digest)
        self._known: OrderedDict[tuple[str, int], Kept] = OrderedDict()
        self._learning = asyncio.Lock()

    def of(self, model: str, version: str) -> LiveCorrection | None:  # noqa: ARG002 (of the protocol)
        return self._state.correction

    async def record(
        self,
        comparisons: Sequence[Comparison],
        *,
        user: str,  # noqa: ARG002 (of the protocol)
        received_at_ms: int,
    ) -> Sequence[Mapping[str, Kept]]:
        async with self._learning:
            before, after = self._state, self._state
            known: dict[tuple[str, int], Kept] = {}
            found: list[Kept] = []
            for comparison in comparisons:
                moment = (comparison.asset, comparison.observed_at_ms)
                earlier = (known.get(moment) or self._known.get(moment)) if comparison.timed else None
                if earlier is not None:
                    found.append(replace(earlier, duplicate=True))
                    continue
                learner, outputs = comparison.versions[self._model.version]
                measured = Measured(outputs, comparison.actual, comparison.observed_at_ms, received_at_ms)
                after, verdict = after.observe(measured, learner)
                found.append(Kept(comparison.actual, comparison.observed_at_ms, verdict, duplicate=False))
                if comparison.timed:
                    known[moment] = found[-1]
            if self._path is not None and after is not before:
                await to_thread.run_sync(write_state, self._path, self._model.digest, after)
            self._keep(before, after, known)
        duplicates = sum(one.duplicate for one in found)
        self._figures.count(self._model.name, self._model.version, new=len(found) - duplicates, duplicates=duplicates)
        return [{self._model.version: one} for one in found]

    async def state(self, model: str, version: str) -> LiveState:  # noqa: ARG002 (of the protocol)
        return self._state

    def _keep(self, before: LiveState, after: LiveState, known: Mapping[tuple[str, int], Kept]) -> None:
        self._state = after
        self._known.update(known)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        self._figures.show(self._model.name, self._model.version, after)
        alert = coverage_alert(
            self._model.name,
            self._model.version,
            before=before,
            after=after,
            settings=self._model.live,
            alert_id=uuid4().hex,
            occurred_at=self._clock.now(),
        )
        if alert is not None:
            log_alert(alert)
