"""One call of a stream, as a function: what was kept and new rows in; scores, alarms and what to keep out.

A row's score depends on it and on the rows before it alone, so a stream gets the scores of a batch however it is cut
into calls, and whichever replica takes them. Rows that come again, because a caller did not hear the answer, are
scored again from what was kept, held against the limit they were held against, and change nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from services.anomaly.domain.adaptive import AdaptiveLimit, AdaptiveState
from services.anomaly.domain.arrays import Floats, Times
from services.anomaly.domain.catalogue import Ready
from services.anomaly.domain.detection import Detection
from services.anomaly.domain.live_counts import limit_key
from services.anomaly.domain.rows import FAULT_LIMIT, column_order
from services.anomaly.domain.scoring import Scored
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.severity import SeverityScale
from services.anomaly.domain.streaming_episode import Change, Turn, follow_episode, moment
from services.anomaly.domain.streaming_state import StreamState
from services.anomaly.domain.watch import Seen
from shared.clock import rfc3339
from shared.errors import AppError, Fault, Kind

# At least so many of the newest rows can come again.
_REPEATABLE_ROWS = 16


class RowsOutOfOrder(AppError):
    """Rows are not later than what the stream has seen, and are no repetition of it either."""

    kind, code = Kind.CONFLICT, "anomaly.stream_out_of_order"

    def __init__(self, faults: Sequence[Fault], newest: datetime) -> None:
        more = "" if len(faults) <= FAULT_LIMIT else f"; the first {FAULT_LIMIT} are listed"
        super().__init__(
            f"{len(faults)} rows are not later than the newest one of the stream, {rfc3339(newest)}{more}",
            faults=faults[:FAULT_LIMIT],
            newest=rfc3339(newest),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one call in the detector's order of columns, `(n, c)`, and their times `(n,)`, increasing."""

    rows: Floats
    times_us: Times


@dataclass(frozen=True, slots=True)
class Step:
    """What a call came to.

    Parameters
    ----------
    scored
        Every row of the call.
    calibrated_limit
        The limit in force before the stream moved it.
    repeated
        Rows at the beginning that had been scored before.
    state
        What to keep; `None` where nothing changed.
    changes
        Turns of alarms.
    """

    scored: Scored
    calibrated_limit: float
    repeated: int
    state: StreamState | None
    changes: tuple[Change, ...]

    def seen(self, asset: str) -> Seen:
        """What those who watch are told: the rows that are new."""
        found, times, new = self.scored.detection, self.scored.times, slice(self.repeated, None)
        begun = sum(change.turn is Turn.BEGUN for change in self.changes)
        return Seen(
            asset,
            self.scored.ready,
            self.scored.rows[new],
            found.picked(np.arange(self.repeated, len(found.scores))),
            None if times is None else times[new],
            begun,
        )


def take_step(state: StreamState | None, ready: Ready, batch: Batch, *, off_delay_rows: int) -> Step:
    """Score a call's rows and move the stream on.

    Parameters
    ----------
    state
        What was kept; `None` at the beginning.
    off_delay_rows
        Normal rows that end an alarm, at least; it never ends while a score shares a reading with it.

    Raises
    ------
    RowsOutOfOrder
        Listing the rows that come too late, or that differ from what was seen at their time.
    """
    detector, calibrated = ready.detector, ready.threshold.value
    kept = _kept(state, ready)
    before = len(kept.rows)
    repeated = int(np.searchsorted(batch.times_us, kept.times_us[-1], side="right")) if before else 0
    places = np.concatenate(
        (_places_of(kept, batch, repeated, detector.lookback_rows), np.arange(len(batch.rows) - repeated) + before)
    )
    rows = np.concatenate((kept.rows, batch.rows[repeated:]))
    times_us = np.concatenate((kept.times_us, batch.times_us[repeated:]))
    first = int(places.min(initial=len(rows)))
    looked_at = slice(max(first - detector.lookback_rows, 0), first)
    found = detector.detect(
        rows[first:], calibrated, rows[looked_at], times=times_us[first:], context_times=times_us[looked_at]
    )
    fresh = found.picked(np.arange(before - first, len(rows) - first))
    off_delay_rows = max(off_delay_rows, detector.held_out.spacing_rows)
    limits, adaptive = _limits(ready, kept.adaptive, fresh, off_delay_rows)
    every_limit = np.concatenate((kept.limits, limits))
    answer = _held_against(found.picked(places - first), every_limit[places], calibrated, detector.scorer.severity)
    times = [moment(time_us) for time_us in batch.times_us.tolist()]
    looked_upon = None
    if detector.has_attention:
        wanted = np.isin(np.arange(first, len(rows)), places[answer.labels == 1])
        looked_upon = detector.attention(
            rows[first:],
            rows[looked_at],
            times=times_us[first:],
            context_times=times_us[looked_at],
            wanted=wanted,
        )[places - first]
    scored = Scored(ready, batch.rows, answer, times, looked_upon)
    if repeated == len(batch.rows):
        return Step(scored, calibrated, repeated, None, ())
    episode, changes = follow_episode(
        kept.episode,
        detector,
        _held_against(fresh, limits, calibrated, detector.scorer.severity),
        batch.times_us[repeated:],
        limits.tolist(),
        off_delay_rows=off_delay_rows,
    )
    keep = detector.lookback_rows + max(len(batch.rows), _REPEATABLE_ROWS)
    after = StreamState(
        digest=detector.digest,
        limit_key=kept.limit_key,
        columns=kept.columns,
        rows=rows[-keep:],
        times_us=times_us[-keep:],
        limits=every_limit[-keep:],
        whole=kept.whole and len(rows) <= keep,
        episode=episode,
        adaptive=adaptive,
    )
    return Step(scored, calibrated, repeated, after, changes)


def kept_values(detector: ServedDetector) -> int:
    """Readings that a stream of a detector has to keep, besides the newest rows."""
    return detector.lookback_rows * len(detector.columns)


def _kept(state: StreamState | None, ready: Ready) -> StreamState:
    """What was kept, as the version that scores now can use it: raw rows serve every version with their columns."""
    detector, key = ready.detector, limit_key(ready.threshold)
    columns = detector.column_names
    if state is None or sorted(state.columns) != sorted(columns):
        nothing = np.empty(0)
        return StreamState(
            digest=detector.digest,
            limit_key=key,
            columns=columns,
            rows=nothing.reshape(0, len(columns)),
            times_us=nothing.astype(np.int64),
            limits=nothing,
            whole=True,
            episode=None,
            adaptive=AdaptiveState(),
        )
    if (state.digest, state.limit_key) == (detector.digest, key):
        return state
    if state.columns != columns:
        # The same sensors in another order, copied in one memory order: sums then round as in a batch.
        order = column_order(state.columns, columns)
        state = replace(state, columns=columns, rows=state.rows[:, order].copy(order="C"))
    # Rows that come again after a new limit were held against the old one; after a new version, there is no old one.
    limits = state.limits if state.digest == detector.digest else np.full(len(state.rows), ready.threshold.value)
    return replace(state, digest=detector.digest, limit_key=key, limits=limits, adaptive=AdaptiveState())


def _places_of(kept: StreamState, batch: Batch, repeated: int, lookback_rows: int) -> Times:
    """Where the first `repeated` rows of a call stand among those that were kept."""
    places = np.searchsorted(kept.times_us, batch.times_us[:repeated])
    faults = []
    for i, place in enumerate(places.tolist()):
        if kept.times_us[place] != batch.times_us[i]:
            faults.append(Fault(f"/timestamps/{i}", "between rows that the stream has seen"))
        elif not np.array_equal(kept.rows[place], batch.rows[i], equal_nan=True):
            faults.append(Fault(f"/rows/{i}", "differs from the row that the stream has seen at this time"))
        elif place < lookback_rows and not kept.whole:
            faults.append(Fault(f"/timestamps/{i}", "seen too long ago to be scored again"))
    if faults:
        raise RowsOutOfOrder(faults, moment(int(kept.times_us[-1])))
    return places


def _limits(ready: Ready, state: AdaptiveState, fresh: Detection, off_delay_rows: int) -> tuple[Floats, AdaptiveState]:
    """What each new row is held against, and where the limit then stands."""
    spacing_rows = ready.detector.held_out.spacing_rows
    moving = AdaptiveLimit.of(ready.threshold, spacing_rows=spacing_rows, off_delay_rows=off_delay_rows)
    if moving is None:
        return np.full(len(fresh.scores), ready.threshold.value), state
    return moving.follow(state, fresh.scores)


def _held_against(found: Detection, limits: Floats, calibrated: float, scale: SeverityScale) -> Detection:
    """What was found, with each row held against a limit of its own; severity goes by the distance from that."""
    if len(limits) == 0:
        return found
    newest = float(limits[-1])
    if (limits == calibrated).all():
        return found
    return replace(
        found,
        labels=(found.scores > limits).astype(np.int8),
        severity=scale.of(found.scores * (calibrated / limits), calibrated),
        limit=newest,
    )
