"""Asking for a detector: what can be refused at once is refused, the rest becomes a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.preparation_fit import prepare_training
from services.anomaly.domain.preparation_off import OffRule, check_off_column, read_off_rule
from services.anomaly.domain.rows import RowsRefused, check_columns, check_times, rows_from_lists, times_us
from services.anomaly.domain.training_plan import plan_training
from services.anomaly.domain.workbench import Workbench
from shared.contracts.job import Job
from shared.errors import JSON, AppError, Fault, Kind

TRAIN_JOB = "anomaly.train"


class Promotion(StrEnum):
    """Whether a version begins to serve when it is published."""

    ALWAYS = "always"
    AUTO = "auto"
    """Unless it is clearly worse than the version that serves."""
    MANUAL = "manual"
    """Not before somebody says so."""


class UploadMissing(AppError):
    """There is no upload of this id, or it is no longer kept."""

    kind, code = Kind.MISSING, "anomaly.upload_missing"

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"no upload {upload_id!r}", upload=upload_id)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that are kept until a training fetches them.

    Parameters
    ----------
    rows
        `(n, c)`, oldest first; NaN where a reading is missing.
    times
        `(n,)`, increasing, or none.
    image_shape
        Height, width and channels, where a row is an image.
    """

    columns: tuple[str, ...]
    rows: Floats
    times: tuple[datetime, ...] | None
    image_shape: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class KeptTable:
    """Where a table is kept, and its measures.

    Parameters
    ----------
    missing
        Readings that are not there.
    period
        Time of the first and the last row, where there are times.
    """

    digest: str
    columns: tuple[str, ...]
    rows: int
    missing: int = 0
    period: tuple[datetime, datetime] | None = None
    image_shape: tuple[int, int, int] | None = None


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
    off
        When the machine is off.
    order
        Of the columns in the detector, where it differs from that of the values.
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
    off: Mapping[str, JSON] | None = None
    order: Sequence[str] | None = None
    promote: Promotion = Promotion.ALWAYS


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
        KindUnknown, OptionsRefused, RuleRefused, OffRuleRefused, RowsRefused, TooFewRows, TooFewUsableRows
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
        off = _off_rule(wanted, columns)
        if kept.image_shape is not None and (tuple(columns) != tuple(kept.columns) or off is not None):
            fault = Fault("/training/columns", "leave them out: an image is learned as a whole")
            raise RowsRefused("the upload holds images", faults=[fault])
        plan_training(
            wanted.kind,
            wanted.options,
            wanted.threshold,
            rows=kept.rows,
            sensors=len(columns),
            image_shape=kept.image_shape,
        )
        payload: dict[str, JSON] = {
            "name": wanted.name,
            "kind": wanted.kind,
            "table": kept.digest,
            "columns": list(wanted.order or columns),
            "units": dict(wanted.units),
            "options": dict(wanted.options),
            "threshold": None if wanted.threshold is None else dict(wanted.threshold),
            "off": None if off is None else off.to_json(),
            "promote": wanted.promote.value,
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
        plan = plan_training(wanted.kind, wanted.options, wanted.threshold, rows=len(rows), sensors=len(columns))
        prepare_training(
            rows, None if times is None else times_us(times), tuple(columns), _off_rule(wanted, columns), plan
        )
        return self._tables.keep(Table(tuple(columns), rows, times)), columns


def _off_rule(wanted: TrainingRequest, columns: Sequence[str]) -> OffRule | None:
    rule = None if wanted.off is None else read_off_rule(wanted.off)
    check_off_column(rule, columns)
    return rule


def _check_subset(columns: Sequence[str], available: Sequence[str]) -> None:
    unknown = [name for name in columns if name not in available]
    if unknown:
        faults = [
            Fault(f"/training/columns/{i}", f"the upload has no column {name!r}", {"available": list(available)})
            for i, name in enumerate(columns)
            if name in unknown
        ]
        raise RowsRefused("the upload lacks some columns", faults=faults)
