"""Asking for a detector: what can be refused at once is refused, the rest becomes a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.rows import RowsRefused, check_columns, check_times, rows_from_lists
from services.anomaly.domain.training_plan import plan_training
from services.anomaly.domain.workbench import Workbench
from shared.contracts.job import Job
from shared.errors import JSON, AppError, Fault, Kind

TRAIN_JOB = "anomaly.train"


class UploadMissing(AppError):
    """There is no upload of this id."""

    kind, code = Kind.MISSING, "anomaly.upload_missing"

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"no upload {upload_id!r}", upload=upload_id)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that are kept until a training fetches them.

    Parameters
    ----------
    rows
        `(n, c)`, finite, oldest first.
    times
        `(n,)`, increasing, or none.
    """

    columns: tuple[str, ...]
    rows: Floats
    times: tuple[datetime, ...] | None


@dataclass(frozen=True, slots=True)
class KeptTable:
    """Where a table is kept, and its measures."""

    digest: str
    columns: tuple[str, ...]
    rows: int


class TableStore(Protocol):
    """Keeps tables by digest, and knows the uploads. Its calls wait for a disk: make them in a thread."""

    def keep(self, table: Table) -> KeptTable: ...

    def upload(self, upload_id: str) -> KeptTable:
        """The table of an upload; raises `UploadMissing`."""
        ...


class TrainingQueue(Protocol):
    """Hands trainings to workers."""

    def submit(self, payload: Mapping[str, JSON], *, owner: str, idempotency_key: str | None) -> Job:
        """Accept a training; raises `IdempotencyConflict` and `QueueUnavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """A wish for a detector.

    Parameters
    ----------
    columns
        Names of the sensors: of every value of `rows`, or those to take from the upload (all where none are named).
    rows, upload_id
        One of the two.
    units
        By column.
    """

    name: str
    kind: str
    columns: Sequence[str] | None
    rows: Sequence[Sequence[float | None]] | None
    timestamps: Sequence[datetime] | None
    upload_id: str | None
    units: Mapping[str, str]
    options: Mapping[str, JSON]
    threshold: Mapping[str, JSON] | None


class TrainingDesk:
    """Accepts trainings."""

    def __init__(self, tables: TableStore, queue: TrainingQueue, workbench: Workbench) -> None:
        self._tables = tables
        self._queue = queue
        self._workbench = workbench

    async def request(self, wanted: TrainingRequest, *, owner: str, idempotency_key: str | None) -> Job:
        """Check a wish and put it in the queue.

        Raises
        ------
        KindUnknown, OptionsRefused, RuleRefused, RowsRefused, TooFewRows
            If it cannot be trained.
        UploadMissing
            If the upload it names is not there.
        IdempotencyConflict, QueueUnavailable
            If the queue does not take it.
        """
        return await self._workbench.run(lambda: self._request(wanted, owner, idempotency_key))

    def _request(self, wanted: TrainingRequest, owner: str, idempotency_key: str | None) -> Job:
        kept, columns = self._kept(wanted)
        unknown = sorted(set(wanted.units) - set(columns))
        if unknown:
            faults = [Fault(f"/training/units/{name}", "there is no such column") for name in unknown]
            raise RowsRefused("a unit was given for something that is no column", faults=faults)
        unprintable = [name for name, unit in wanted.units.items() if not unit.isprintable() or unit != unit.strip()]
        if unprintable:
            faults = [Fault(f"/training/units/{name}", "printable characters only") for name in unprintable]
            raise RowsRefused("a unit cannot be written like this", faults=faults)
        plan_training(wanted.kind, wanted.options, wanted.threshold, rows=kept.rows)
        payload: dict[str, JSON] = {
            "name": wanted.name,
            "kind": wanted.kind,
            "table": kept.digest,
            "columns": columns,
            "units": dict(wanted.units),
            "options": dict(wanted.options),
            "threshold": None if wanted.threshold is None else dict(wanted.threshold),
        }
        return self._queue.submit(payload, owner=owner, idempotency_key=idempotency_key)

    def _kept(self, wanted: TrainingRequest) -> tuple[KeptTable, list[str]]:
        if (wanted.rows is None) == (wanted.upload_id is None):
            fault = Fault("/training", "either rows or upload_id")
            raise RowsRefused("training rows come in the request or from an upload", faults=[fault])
        if wanted.upload_id is not None:
            if wanted.timestamps is not None:
                fault = Fault("/training/timestamps", "an upload has its own times; leave these out")
                raise RowsRefused("timestamps belong to rows in the request", faults=[fault])
            kept = self._tables.upload(wanted.upload_id)
            columns = list(wanted.columns or kept.columns)
            check_columns(columns, pointer="/training/columns")
            _check_subset(columns, kept.columns)
            return kept, columns
        columns = list(wanted.columns or ())
        if not columns:
            raise RowsRefused("the columns are not named", faults=[Fault("/training/columns", "one name a value")])
        check_columns(columns, pointer="/training/columns")
        rows = rows_from_lists(wanted.rows or (), len(columns), pointer="/training/rows")
        times = None if wanted.timestamps is None else tuple(wanted.timestamps)
        if times is not None:
            check_times(times, len(rows), pointer="/training/timestamps")
        # Refused before anything is kept.
        plan_training(wanted.kind, wanted.options, wanted.threshold, rows=len(rows))
        return self._tables.keep(Table(tuple(columns), rows, times)), columns


def _check_subset(columns: Sequence[str], available: Sequence[str]) -> None:
    unknown = [name for name in columns if name not in available]
    if unknown:
        faults = [
            Fault(f"/training/columns/{i}", f"the upload has no column {name!r}", {"available": list(available)})
            for i, name in enumerate(columns)
            if name in unknown
        ]
        raise RowsRefused("the upload lacks some columns", faults=faults)
