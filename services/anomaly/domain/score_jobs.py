"""Scores that take longer than a request: of a file, of many rows, or of a detector that searches for each of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from services.anomaly.domain.arrays import Times
from services.anomaly.domain.catalogue import Catalogue, Ready
from services.anomaly.domain.csv_table import TableLimits
from services.anomaly.domain.detection import Detection
from services.anomaly.domain.rows import (
    RowsRefused,
    check_context_order,
    check_times,
    column_order,
    rows_from_lists,
    times_us,
)
from services.anomaly.domain.scoring import (
    CallLimits,
    Cells,
    Scored,
    ScoreInput,
    ScoringDesk,
    TakesLong,
    TooManyRows,
)
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.training_requests import Table, TableStore
from services.anomaly.domain.workbench import Workbench
from shared.contracts.job import Job
from shared.errors import JSON, AppError, Fault, Kind

SCORE_JOB = "anomaly.score"
# Between two blocks a job tells how far it is: a block is a second's work at most.
_BLOCK_ROWS = 4096
_SEARCHED_BLOCK_ROWS = 32


class ScoresMissing(AppError):
    """No score job of this id has kept its result, or it is no longer kept."""

    kind, code = Kind.MISSING, "anomaly.scores_missing"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no scores of a job {job_id!r}", job=job_id)


@dataclass(frozen=True, slots=True)
class ScoreWish:
    """Rows to score: sent along, or in an upload.

    Parameters
    ----------
    columns
        Names of the values in `rows`; an upload has its own.
    rows, upload_id
        One of the two.
    times, context, context_times
        Of rows that were sent along.
    """

    columns: Sequence[str] | None
    rows: Cells | None
    times: Sequence[datetime] | None
    context: Cells
    upload_id: str | None
    context_times: Sequence[datetime] | None = None


@dataclass(frozen=True, slots=True)
class KeptScores:
    """The result of a score job, as a local file of JSON, the asset it is of, and whose job it was."""

    path: Path
    asset: str | None
    owner: str | None


class ScoreShelf(Protocol):
    """Where results of score jobs are kept. Its calls wait for a disk: make them in a thread."""

    def find(self, job_id: str) -> KeptScores:
        """The result of a job; raises `ScoresMissing`."""
        ...


class ScoreQueue(Protocol):
    """Hands score jobs to workers."""

    def submit(self, payload: Mapping[str, JSON], *, owner: str, idempotency_key: str | None) -> Job:
        """Accept a job; raises `IdempotencyConflict` and `QueueUnavailable`."""
        ...


class ScoreDoor:
    """Scores at once what can be scored at once, and makes a job of the rest.

    Parameters
    ----------
    call_limits
        Beyond these, rows that were sent along become a job.
    job_limits
        Of a job.
    """

    def __init__(
        self,
        desk: ScoringDesk,
        catalogue: Catalogue,
        tables: TableStore,
        queue: ScoreQueue,
        workbench: Workbench,
        *,
        call_limits: CallLimits,
        job_limits: TableLimits,
    ) -> None:
        self._desk = desk
        self._catalogue = catalogue
        self._tables = tables
        self._queue = queue
        self._workbench = workbench
        self._call_limits = call_limits
        self._job_limits = job_limits

    async def score(
        self, name: str, wanted: ScoreWish, *, asset: str | None, owner: str, idempotency_key: str | None
    ) -> Scored | Job:
        """Score rows, or accept a job that will.

        Raises
        ------
        DetectorMissing
            If there is no detector of this name.
        RowsRefused, TooManyRows
            If the rows cannot be used.
        UploadMissing
            If the upload is not there.
        IdempotencyConflict, QueueUnavailable
            If the queue does not take the job.
        Overloaded
            If too many calls are waiting.
        """
        given = _sent_along(wanted)
        if given is not None and self._call_limits.allow(given):
            try:
                return await self._desk.score(name, given, asset=asset)
            except TakesLong:
                return await self._workbench.run(lambda: self._submit(name, wanted, asset, owner, idempotency_key))
        return await self._workbench.run(lambda: self._submit(name, wanted, asset, owner, idempotency_key))

    def _submit(self, name: str, wanted: ScoreWish, asset: str | None, owner: str, idempotency_key: str | None) -> Job:
        columns = [column.name for column in self._catalogue.entry(name).columns]
        context: str | None = None
        if (given := _sent_along(wanted)) is None:
            kept = self._tables.upload(wanted.upload_id or "")
            _check_upload(columns, kept.columns)
            digest = kept.digest
        else:
            self._check_size(given)
            column_order(given.columns, columns)
            digest = self._tables.keep(_table(given, given.rows, given.times, "/rows")).digest
            if given.context_times is not None:
                check_context_order(given.context_times, given.times)
            if given.context:
                context = self._tables.keep(_table(given, given.context, given.context_times, "/context")).digest
        payload: dict[str, JSON] = {
            "detector": name,
            "table": digest,
            "context": context,
            "columns": columns,
            "asset": asset,
        }
        return self._queue.submit(payload, owner=owner, idempotency_key=idempotency_key)

    def _check_size(self, given: ScoreInput) -> None:
        rows = len(given.rows) + len(given.context)
        limit = min(self._job_limits.rows, self._job_limits.values // max(len(given.columns), 1))
        if rows > limit:
            raise TooManyRows(rows, limit)


def score_in_blocks(ready: Ready, table: Table, context: Table | None, on_rows: Callable[[int], None]) -> Detection:
    """Score the rows of a table as one call would, a block at a time.

    Parameters
    ----------
    table
        In the detector's order of columns.
    context
        Rows just before.
    on_rows
        Told after every block how many rows are scored; it may raise to stop.
    """
    detector = ready.detector
    block_rows = _BLOCK_ROWS if detector.realtime else _SEARCHED_BLOCK_ROWS
    before = table.rows[:0] if context is None else context.rows
    every = np.concatenate((before, table.rows))
    times = _times_of(detector, table, context)
    found: list[Detection] = []
    for first in range(len(before), max(len(every), len(before) + 1), block_rows):
        end = min(first + block_rows, len(every))
        back = max(first - detector.lookback_rows, 0)
        found.append(
            detector.detect(
                every[first:end],
                ready.threshold.value,
                every[back:first],
                times=None if times is None else times[first:end],
                context_times=None if times is None else times[back:first],
            )
        )
        on_rows(end - len(before))
    return _joined(found)


def _times_of(detector: ServedDetector, table: Table, context: Table | None) -> Times | None:
    """Times of the context and of the rows behind it."""
    if table.times is None:
        return None
    times = times_us(table.times)
    if context is None:
        return times
    known = None if context.times is None else times_us(context.times)
    return detector.times_with_context(times, known, len(context.rows))


def _joined(parts: Sequence[Detection]) -> Detection:
    return Detection(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.severity for part in parts]),
        np.concatenate([part.contributions for part in parts]),
        parts[0].limit,
        np.concatenate([part.reasons for part in parts]),
    )


def _sent_along(wanted: ScoreWish) -> ScoreInput | None:
    if (wanted.rows is None) == (wanted.upload_id is None):
        raise RowsRefused("rows come in the request or from an upload", faults=[Fault("", "either rows or upload_id")])
    if wanted.rows is not None:
        if wanted.columns is None:
            raise RowsRefused("the columns are not named", faults=[Fault("/columns", "one name a value")])
        return ScoreInput(wanted.columns, wanted.rows, wanted.times, wanted.context, wanted.context_times)
    strays = {
        "/columns": wanted.columns,
        "/timestamps": wanted.times,
        "/context": wanted.context,
        "/context_timestamps": wanted.context_times,
    }
    faults = [Fault(pointer, "an upload has its own; leave this out") for pointer, value in strays.items() if value]
    if faults:
        raise RowsRefused("these belong to rows in the request", faults=faults)
    return None


def _table(given: ScoreInput, cells: Cells, times: Sequence[datetime] | None, pointer: str) -> Table:
    rows = rows_from_lists(cells, len(given.columns), pointer=pointer)
    if times is not None:
        check_times(times, len(rows), pointer="/timestamps" if pointer == "/rows" else f"{pointer}_timestamps")
    return Table(tuple(given.columns), rows, None if times is None else tuple(times))


def _check_upload(wanted: Sequence[str], available: Sequence[str]) -> None:
    faults = [Fault("/upload_id", f"the upload has no column {name!r}") for name in wanted if name not in available]
    if faults:
        raise RowsRefused("the upload lacks some of the detector's columns", faults=faults)
