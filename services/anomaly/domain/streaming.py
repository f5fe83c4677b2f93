"""Streams: an asset's newest rows are scored as they come, by any replica, with the window kept between the calls."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol
from uuid import uuid4
from weakref import WeakValueDictionary

from services.anomaly.domain.catalogue import Catalogue, Ready
from services.anomaly.domain.rows import FAULT_LIMIT, RowsRefused, times_us
from services.anomaly.domain.scoring import CallLimits, Cells, ScoreInput, read_rows
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.streaming_episode import episode_alerts
from services.anomaly.domain.streaming_state import StreamState
from services.anomaly.domain.streaming_step import Batch, Step, kept_values, take_step
from services.anomaly.domain.watch import ScoreWatch
from services.anomaly.domain.workbench import Workbench
from shared.clock import Clock
from shared.contracts.alert import Alert
from shared.errors import AppError, Fault, Kind

# Another replica came first so many times in a row: somebody sends one asset's rows to all of them at once.
_TRIES = 5


class NoStream(AppError):
    """Scores of this detector take too long, or look back too far, for a stream."""

    kind, code = Kind.INVALID, "anomaly.no_stream"


class StreamBusy(AppError):
    """Other calls for the same asset came first, again and again."""

    kind, code = Kind.UNAVAILABLE, "anomaly.stream_busy"

    def __init__(self, asset: str) -> None:
        super().__init__(f"too many calls at once for the asset {asset!r}", retry_after_s=1.0, asset=asset)


class StreamsUnavailable(AppError):
    """What is kept of the streams cannot be read or written; nothing of the call has been taken for granted."""

    kind, code = Kind.UNAVAILABLE, "anomaly.streams_unavailable"

    def __init__(self) -> None:
        super().__init__("the kept windows cannot be reached; send the same rows again", retry_after_s=2.0)


class TooManyStreams(AppError):
    """As many streams are kept as this installation allows; those that bring no rows are forgotten in time."""

    kind, code = Kind.UNAVAILABLE, "anomaly.too_many_streams"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} streams are kept already; a new one has to wait", retry_after_s=60.0, limit=limit)


@dataclass(frozen=True, slots=True)
class StreamInput:
    """Rows as they came.

    Parameters
    ----------
    columns
        Names, in the order of the values; `None` for the detector's own order.
    times
        One a row: they tell a repeated row from a new one.
    """

    columns: Sequence[str] | None
    rows: Cells
    times: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class StreamRules:
    """What holds for every stream.

    Parameters
    ----------
    off_delay_rows
        Normal rows that end an alarm, at least.
    kept_values
        Most readings that one stream may have to keep, rows by columns, besides the newest ones.
    ahead_s
        How far ahead of the clock here a row's time may lie: after a wrong one, a stream refuses all that follow.
    """

    off_delay_rows: int
    kept_values: int
    ahead_s: float

    def check(self, detector: ServedDetector) -> None:
        """Refuse a detector that cannot have streams.

        Raises
        ------
        NoStream
            With the reason.
        """
        if not detector.realtime:
            kind = detector.card["kind"]
            raise NoStream(f"a detector of the kind {kind!r} searches for every score: too slow for a stream")
        if (values := kept_values(detector)) > self.kept_values:
            raise NoStream(f"this detector looks back on {values} readings; a stream keeps {self.kept_values} at most")

    def check_times(self, times: Sequence[datetime], now: datetime) -> None:
        """Refuse times of the future.

        Raises
        ------
        RowsRefused
            Listing each of them, up to a limit.
        """
        latest = now + timedelta(seconds=self.ahead_s)
        faults = [Fault(f"/timestamps/{i}", "of the future") for i, time in enumerate(times) if time > latest]
        if faults:
            raise RowsRefused(f"{len(faults)} rows are of the future", faults=faults[:FAULT_LIMIT])


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store holds under a key.

    Parameters
    ----------
    token
        Changes with every writing; empty where there is nothing.
    body
        `None` where there is nothing.
    """

    token: bytes
    body: bytes | None


class WindowStore(Protocol):
    """Keeps what a stream looks back on; every call raises `StreamsUnavailable` where it cannot."""

    async def read(self, key: str) -> Kept: ...

    async def replace(self, key: str, token: bytes, body: bytes, alerts: Sequence[Alert]) -> bool:
        """Write and send the alerts, both or neither; `False` if somebody has written since the token was read.

        Raises
        ------
        TooManyStreams
            If there is nothing under the key, and no room for more.
        """
        ...


class StreamObserver(Protocol):
    """Counts what came in streams."""

    def streamed(self, detector: str, *, rows: int, repeated: int, lag_s: float | None) -> None: ...

    def scored(self, detector: str, *, rows: int, anomalous: int, duration_s: float) -> None: ...

    def stream_refused(self, code: str) -> None: ...


class StreamDesk:
    """Scores streams in threads; one call of a process at a time for each asset.

    Parameters
    ----------
    limits
        Of one call.
    watches
        Told of every row once.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        workbench: Workbench,
        windows: WindowStore,
        observer: StreamObserver,
        *,
        clock: Clock,
        limits: CallLimits,
        rules: StreamRules,
        watches: Sequence[ScoreWatch] = (),
    ) -> None:
        self._catalogue = catalogue
        self._workbench = workbench
        self._windows = windows
        self._observer = observer
        self._clock = clock
        self._limits = limits
        self._rules = rules
        self._watches = tuple(watches)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def push(self, name: str, given: StreamInput, *, asset: str, restart: bool = False) -> Step:
        """Score an asset's newest rows, keep what the next ones look back on, and tell of alarms.

        Parameters
        ----------
        restart
            Forget what was kept and begin anew.

        Raises
        ------
        DetectorMissing
            If there is no detector of this name.
        RowsRefused, TooManyRows, RowsOutOfOrder, NoStream
            If the rows cannot be used; nothing was scored or kept then.
        StreamsUnavailable, TooManyStreams, StreamBusy, Overloaded
            If it cannot be done now. Sending the same rows again is safe: what was kept is answered again.
        """
        try:
            return await self._push(name, given, asset, restart=restart)
        except AppError as error:
            self._observer.stream_refused(error.code)
            raise

    async def _push(self, name: str, given: StreamInput, asset: str, *, restart: bool) -> Step:
        started_s = self._clock.monotonic_s()
        key = f"{name}:{asset}"
        # In turn here, so that only other replicas can come in between.
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            step = await self._in_turn(name, given, asset, key, restart=restart)
        found = step.scored.detection
        self._observer.scored(
            name,
            rows=len(given.rows),
            anomalous=int(found.labels.sum()),
            duration_s=self._clock.monotonic_s() - started_s,
        )
        lag_s = (self._clock.now() - given.times[-1]).total_seconds() if given.times else None
        self._observer.streamed(name, rows=len(given.rows) - step.repeated, repeated=step.repeated, lag_s=lag_s)
        if step.state is not None:
            seen = step.seen(asset)
            for watch in self._watches:
                watch.seen(seen)
        return step

    async def _in_turn(self, name: str, given: StreamInput, asset: str, key: str, *, restart: bool) -> Step:
        for _ in range(_TRIES):
            kept = await self._windows.read(key)
            body = None if restart else kept.body
            step, after = await self._workbench.run(partial(self._step, name, given, body))
            if step.state is None:
                return step
            alerts = episode_alerts(step.changes, step.scored.ready.detector, asset=asset, new_id=lambda: uuid4().hex)
            if await self._windows.replace(key, kept.token, after, alerts):
                return step
        raise StreamBusy(asset)

    def _step(self, name: str, given: StreamInput, kept: bytes | None) -> tuple[Step, bytes]:
        ready = self._catalogue.ready(name)
        self._rules.check(ready.detector)
        batch = _read_batch(ready, given, self._limits)
        self._rules.check_times(given.times, self._clock.now())
        step = take_step(
            None if kept is None else StreamState.from_bytes(kept),
            ready,
            batch,
            off_delay_rows=self._rules.off_delay_rows,
        )
        return step, b"" if step.state is None else step.state.to_bytes()


def _read_batch(ready: Ready, given: StreamInput, limits: CallLimits) -> Batch:
    columns = ready.detector.column_names if given.columns is None else given.columns
    asked = ScoreInput(columns, given.rows, given.times, ())
    limits.check(asked)
    rows, _ = read_rows(ready, asked)
    return Batch(rows, times_us(given.times))
