"""What all replicas have learned from observations, at hand in this one.

A replica that learns knows at once; the others look about once a second whether anything has changed. While the
database is away, what was known stays in force.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import uuid4

from anyio import to_thread
from prometheus_client import CollectorRegistry, Counter

from services.twin.adapters.alert_outbox import AlertOutbox
from services.twin.adapters.quality_metrics import QualityMetrics
from services.twin.adapters.sql_observations import Recorded, SqlObservations, VersionKey
from services.twin.domain.coverage_alerts import coverage_alert
from services.twin.domain.live_correction import LiveCorrection
from services.twin.domain.live_quality import LiveState
from services.twin.domain.observed import Comparison, Kept
from shared.clock import Clock
from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)

# Of a state only its correction and figures are kept: thousands of windows at once would take hundreds of megabytes.
_READ_AT_ONCE = 50


class LiveStates:
    """Implements `observed.LiveRecords` and `serving.Corrections`."""

    def __init__(
        self,
        *,
        sql: SqlObservations,
        outbox: AlertOutbox,
        clock: Clock,
        metrics: CollectorRegistry,
    ) -> None:
        self._sql, self._outbox, self._clock = sql, outbox, clock
        self.figures = QualityMetrics(metrics)
        self._failures = Counter("futago_twin_live_state_failures", "Readings that failed", registry=metrics)
        self._revisions: dict[VersionKey, int] = {}
        self._corrections: dict[VersionKey, LiveCorrection] = {}
        self._mark: tuple[int, int] | None = None

    def of(self, model: str, version: str) -> LiveCorrection | None:
        """The correction in force, as this replica last heard of it."""
        return self._corrections.get((model, version))

    async def record(
        self, comparisons: Sequence[Comparison], *, user: str, received_at_ms: int
    ) -> Sequence[Mapping[str, Kept]]:
        """Learn from observations in one transaction, then let this process know."""
        recorded = await to_thread.run_sync(
            lambda: self._sql.record(comparisons, user=user, received_at_ms=received_at_ms)
        )
        for (model, version), change in recorded.changes.items():
            self._keep((model, version), change.after)
            alert = coverage_alert(
                model,
                version,
                before=change.before,
                after=change.after,
                settings=change.settings,
                alert_id=uuid4().hex,
                occurred_at=self._clock.now(),
            )
            if alert is not None:
                self._outbox.put(alert)
        self._count(comparisons, recorded)
        return recorded.kept

    async def state(self, model: str, version: str) -> LiveState:
        """The newest state, whichever replica has learned it."""
        return await to_thread.run_sync(self._sql.state, model, version)

    async def refresh(self) -> None:
        """Read what other replicas have learned.

        Raises
        ------
        DatabaseUnavailable
            If it cannot be read; what was read before stays in force.
        """
        # The mark first: a change between the readings then shows as a mark that has moved again.
        mark = await to_thread.run_sync(self._sql.mark)
        if mark == self._mark:
            return
        revisions = await to_thread.run_sync(self._sql.revisions)
        changed = [key for key, revision in revisions.items() if self._revisions.get(key) != revision]
        for start in range(0, len(changed), _READ_AT_ONCE):
            states = await to_thread.run_sync(self._sql.states, changed[start : start + _READ_AT_ONCE])
            for key, state in states.items():
                self._keep(key, state)
        self._mark = mark

    async def follow(self, every_s: float, stop: asyncio.Event) -> None:
        """Refresh until told to stop."""
        while not stop.is_set():
            try:
                await self.refresh()
            except AppError as error:
                self._failures.inc()
                log.warning("live_states_not_read", code=error.code)
            except Exception:
                # A bug here must not end the following: this replica would go on with old corrections, silently.
                self._failures.inc()
                log.exception("live_states_not_read")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_s)

    def _keep(self, key: VersionKey, state: LiveState) -> None:
        # A reading may have begun before this replica learned more.
        if state.revision <= self._revisions.get(key, 0):
            return
        self._revisions[key] = state.revision
        if state.correction is not None:
            self._corrections[key] = state.correction
        self.figures.show(*key, state)

    def _count(self, comparisons: Sequence[Comparison], recorded: Recorded) -> None:
        for comparison, kept in zip(comparisons, recorded.kept, strict=True):
            for version, one in kept.items():
                self.figures.count(comparison.model, version, new=int(not one.duplicate), duplicates=int(one.duplicate))
