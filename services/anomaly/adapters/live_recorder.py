"""What was scored, counted beside the calls: alarms in the database, drift in Redis, about once a second."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from anyio import to_thread
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.anomaly.adapters.redis_live import RedisDrift, drift_key
from services.anomaly.adapters.sql_live import CountKey, SqlLiveCounts
from services.anomaly.domain.catalogue import Ready
from services.anomaly.domain.drift_tally import Recent
from services.anomaly.domain.live_counts import LiveCount, Promise, Verdict, limit_key, more_alarms
from services.anomaly.domain.scoring import AlertSink
from services.anomaly.domain.streaming import TooManyStreams
from services.anomaly.domain.usability import Reason
from services.anomaly.domain.watch import Seen, newer_part
from shared.clock import Clock
from shared.errors import AppError
from shared.log import get_logger
from shared.series import BoundedSeries

log = get_logger(__name__)

# Readings that wait to be counted; with more, rows are left out and that is counted.
_WAITING_LIMIT_VALUES = 4_000_000
# Assets whose newest time is known, and counts that wait while a store is away.
_REMEMBERED = 10_000
# Assets whose counts for drift wait while Redis is away: with many sensors, those of one take some 100 kB.
_WAITING_LIMIT_TALLIES = 2_000
# A row from further in the future has a wrong clock; were its time believed, no later row would count as new.
_FURTHEST_AHEAD = timedelta(days=1)


class LiveRecorder:
    """Implements `watch.ScoreWatch`; what cannot be stored waits, and what is too much is counted as left out.

    Rows of an asset that are not later than its newest are not counted again: callers that send their newest rows
    with every call would otherwise count each of them many times.

    Parameters
    ----------
    detectors
        The bound of series by detector.
    interval_s
        Between two storings.
    """

    def __init__(
        self,
        counts: SqlLiveCounts,
        drift: RedisDrift,
        alerts: AlertSink,
        *,
        clock: Clock,
        metrics: CollectorRegistry,
        detectors: BoundedSeries,
        interval_s: float,
    ) -> None:
        self._counts, self._drift, self._alerts = counts, drift, alerts
        self._clock, self._interval_s = clock, interval_s
        self._left_out = Counter("futago_anomaly_live_left_out_rows", "Rows that were not counted", registry=metrics)
        self._failures = Counter("futago_anomaly_live_failures", "Times that counts were not stored", registry=metrics)
        self._detectors = detectors
        self._more = detectors.watch(
            Gauge(
                "futago_anomaly_live_more_alarms",
                "Assets that bring more alarms than the card promised",
                ("detector",),
                registry=metrics,
            )
        )
        detectors.on_forget(lambda values: self._forget(values[0]))
        self._waiting: list[tuple[Seen, datetime]] = []
        self._waiting_values = 0
        self._newest: OrderedDict[tuple[str, str | None], datetime] = OrderedDict()
        self._new_counts: dict[CountKey, tuple[Ready, LiveCount]] = {}
        self._new_rows: dict[str, Recent] = {}
        self._broken: dict[str, set[str | None]] = {}

    def seen(self, seen: Seen) -> None:
        newer = newer_part(seen, self._remembered(seen))
        if newer is None:
            return
        if self._waiting_values + newer.rows.size > _WAITING_LIMIT_VALUES:
            self._left_out.inc(len(newer.rows))
            return
        self._waiting.append((newer, self._clock.now()))
        self._waiting_values += newer.rows.size

    def _forget(self, detector: str) -> None:
        self._broken.pop(detector, None)

    async def run(self) -> None:
        """Store what was counted, again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Count what waits and store it; what a store does not take waits for the next time."""
        waiting, self._waiting, self._waiting_values = self._waiting, [], 0
        for step in (partial(self._count_in_thread, waiting), self._store_rows, self._store_counts):
            try:
                await step()
            except AppError as error:
                self._failures.inc()
                log.warning("live_counts_not_stored", code=error.code)

    def _remembered(self, seen: Seen) -> datetime | None:
        if not seen.times:
            return None
        key = (seen.ready.detector.name, seen.asset)
        newest, last = self._newest.pop(key, None), min(seen.times[-1], self._clock.now() + _FURTHEST_AHEAD)
        self._newest[key] = last if newest is None else max(newest, last)
        if len(self._newest) > _REMEMBERED:
            self._newest.popitem(last=False)
        return newest

    async def _count_in_thread(self, waiting: Sequence[tuple[Seen, datetime]]) -> None:
        if waiting:
            await to_thread.run_sync(self._count, waiting)

    def _count(self, waiting: Iterable[tuple[Seen, datetime]]) -> None:
        for seen, at in waiting:
            key, count = _counted(seen, at)
            known = self._new_counts.get(key)
            if known is None and len(self._new_counts) >= _REMEMBERED:
                self._left_out.inc(len(seen.rows))
                continue
            both = count if known is None else known[1].plus(count)
            self._new_counts[key] = (seen.ready, both)
            self._count_rows(seen, at)

    def _count_rows(self, seen: Seen, at: datetime) -> None:
        detector = seen.ready.detector
        running = seen.detection.reasons != Reason.MACHINE_OFF
        if detector.reference is None or not running.any():
            return
        tally = detector.reference.count(seen.rows[running])
        first, last = (seen.times[0], seen.times[-1]) if seen.times else (at, at)
        # Of the asset, and of all assets together.
        for key in {drift_key(detector, seen.asset), drift_key(detector, None)}:
            recent, known = Recent(None, tally, first, first, last), self._new_rows.get(key)
            if known is None and len(self._new_rows) >= _WAITING_LIMIT_TALLIES:
                self._left_out.inc(len(seen.rows))
                continue
            self._new_rows[key] = recent if known is None else known.joined(recent)

    async def _store_rows(self) -> None:
        for key in list(self._new_rows):
            try:
                if await self._drift.add(key, self._new_rows[key]):
                    del self._new_rows[key]
            except TooManyStreams:
                # It would only keep others from being stored.
                self._left_out.inc(self._new_rows.pop(key).tally.rows)

    async def _store_counts(self) -> None:
        new = {key: count for key, (_, count) in self._new_counts.items()}
        if not new:
            return
        totals = await to_thread.run_sync(self._counts.add, new)
        for key, total in totals.items():
            self._judge(self._new_counts.pop(key)[0], new[key], total)

    def _judge(self, ready: Ready, new: LiveCount, total: LiveCount) -> None:
        promise = Promise.of(ready.threshold)
        if promise is None:
            return
        detector = ready.detector
        broken = promise.verdict(total) is Verdict.MORE_ALARMS
        assets = self._broken.setdefault(detector.name, set())
        (assets.add if broken else assets.discard)(total.asset)
        self._more.labels(*self._detectors.admit(detector.name)).set(len(assets))
        if broken and promise.verdict(total.without(new)) is not Verdict.MORE_ALARMS:
            alert = more_alarms(detector, total, promise, now=self._clock.now(), alert_id=uuid4().hex)
            log.warning("more_alarms_than_promised", detector=detector.name, asset=total.asset, alarms=total.alarms)
            self._alerts.send((alert,))


def _counted(seen: Seen, at: datetime) -> tuple[CountKey, LiveCount]:
    detector, found = seen.ready.detector, seen.detection
    key = CountKey(detector.name, int(detector.version), limit_key(seen.ready.threshold), seen.asset or "")
    scored, anomalous = int(found.usable.sum()), int(found.labels.sum())
    return key, LiveCount(seen.asset, scored, anomalous, seen.alarms_begun, at, at)
