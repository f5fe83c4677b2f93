"""The next version of a detector, made like the one that serves, on newer rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.anomaly.domain.catalogue import Catalogue, DetectorEntry
from services.anomaly.domain.labelled_thresholds import LabelledRule
from services.anomaly.domain.preparation import TimesMissing
from services.anomaly.domain.rows import column_order
from services.anomaly.domain.threshold_rules import read_rule
from services.anomaly.domain.thresholds import Value
from services.anomaly.domain.training_requests import Promotion, TrainingDesk, TrainingRequest
from services.anomaly.domain.workbench import Workbench
from shared.contracts.job import Job
from shared.errors import JSON


@dataclass(frozen=True, slots=True)
class RetrainingRequest:
    """Newer normal rows, and what shall be other than before.

    Parameters
    ----------
    columns
        Names of the values in `rows`; the detector's own, in any order.
    rows, upload_id
        One of the two.
    options
        Settings of the kind that change; the rest stays.
    threshold
        How the limit is set; left out, as before.
    """

    columns: Sequence[str] | None
    rows: Sequence[Sequence[float | None]] | None
    timestamps: Sequence[datetime] | None
    upload_id: str | None
    options: Mapping[str, JSON]
    threshold: Mapping[str, JSON] | None
    promote: Promotion


class RetrainingDesk:
    """Turns a wish for a newer version into a training."""

    def __init__(self, catalogue: Catalogue, trainings: TrainingDesk, workbench: Workbench) -> None:
        self._catalogue = catalogue
        self._trainings = trainings
        self._workbench = workbench

    async def request(self, name: str, wanted: RetrainingRequest, *, owner: str, idempotency_key: str | None) -> Job:
        """Train the next version with the kind, options, columns and units of the one that serves.

        Raises
        ------
        DetectorMissing
            If there is no detector of this name.
        OptionsRefused, RuleRefused, RowsRefused, TooFewRows, UploadMissing, IdempotencyConflict, QueueUnavailable
            As for a first training; without rows the error says where they go.
        """
        entry = await self._workbench.run(lambda: self._catalogue.entry(name))
        training = training_request(entry, wanted)
        return await self._trainings.request(training, owner=owner, idempotency_key=idempotency_key)


def training_request(entry: DetectorEntry, wanted: RetrainingRequest) -> TrainingRequest:
    """The training that makes the next version of a detector.

    Raises
    ------
    RowsRefused, TimesMissing
        If the columns are not those of the detector, or it goes by the clock and there are no times.
    """
    names = [column.name for column in entry.columns]
    columns = names if wanted.columns is None else list(wanted.columns)
    column_order(columns, names, pointer="/training/columns")
    options, preparation = entry.card["options"], entry.card.get("preparation")
    found = preparation if isinstance(preparation, Mapping) else {}
    off, season = found.get("off"), found.get("season")
    if isinstance(season, Mapping) and wanted.rows is not None and wanted.timestamps is None:
        # The version that serves could not be compared with the new one.
        raise TimesMissing(str(season.get("every")), pointer="/training/timestamps")
    return TrainingRequest(
        name=entry.name,
        kind=str(entry.card["kind"]),
        columns=columns,
        rows=wanted.rows,
        timestamps=wanted.timestamps,
        upload_id=wanted.upload_id,
        units={column.name: column.unit for column in entry.columns if column.unit is not None},
        options={**(options if isinstance(options, Mapping) else {}), **wanted.options},
        threshold=_rule(entry) if wanted.threshold is None else wanted.threshold,
        off=off if isinstance(off, Mapping) else None,
        order=names,
        promote=wanted.promote,
    )


def _rule(entry: DetectorEntry) -> Mapping[str, JSON] | None:
    """The method in force; a limit that came from labels or from a person fits no other model's scores."""
    in_force = entry.threshold.rule
    if entry.threshold_set_at is None or not isinstance(read_rule(in_force), LabelledRule | Value):
        return in_force
    published = entry.card["threshold"]
    rule = published.get("rule") if isinstance(published, Mapping) else None
    return rule if isinstance(rule, Mapping) else None
