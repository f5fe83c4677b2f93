"""What a training found: the recipes that came to the end, the one that was chosen, and how the bundle did."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from services.twin.packaging.calibration import DEFAULT_LEVEL
from services.twin.packaging.dataset import Dataset
from services.twin.packaging.examination import Examination, Metrics
from services.twin.packaging.row_split import RowSplit, SplitKind
from services.twin.packaging.selection import Trial

_SPLITS = {
    SplitKind.SHUFFLED: "the test rows were drawn by chance, rows with the same inputs together; the figures hold for "
    "new rows that are drawn like those of the file",
    SplitKind.ORDERED: "the test rows are the last in time and the calibration rows those before them; the figures "
    "hold for the {share:.0%} of the recorded time that followed; a process that drifts makes later ones worse",
    SplitKind.GROUPED: "no group, and no set of equal inputs, is both in the test rows and in the rows that were "
    "learned from or calibrated with; the figures hold for new groups like these",
}


@dataclass(frozen=True, slots=True)
class Finalist:
    """A recipe fitted on all rows that may be learned from, as the graph it becomes.

    Parameters
    ----------
    test
        Errors on the test rows, for the report: the choice did not look at them.
    row_us
        One row through the graph, the best of a few [µs].
    size_bytes
        Of the graph.
    """

    trial: Trial
    estimator: BaseEstimator
    test: Metrics
    row_us: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Training:
    """All that a report tells.

    Parameters
    ----------
    unfinished
        Recipes there was no time for, or that have no exact conversion, with the reason.
    """

    data: Dataset
    split: RowSplit
    finalists: Sequence[Finalist]
    chosen: Finalist
    unfinished: Mapping[str, str]
    examination: Examination
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class TrainedTwin:
    """What came out of a training.

    Parameters
    ----------
    bundle, report
        The signed bundle, and the page beside it.
    rmse, mae, width
        On the test rows; the width is that of the 90 % interval [unit of the target].
    r2, coverage
        On the test rows [1].
    notes, warnings
        What was left out, and what should be looked at.
    """

    bundle: Path
    report: Path
    model: str
    rmse: float
    mae: float
    r2: float
    coverage: float
    width: float
    unit: str | None
    test_rows: int
    statement: str
    notes: Sequence[str]
    warnings: Sequence[str]

    @classmethod
    def of(cls, bundle: Path, report: Path, training: Training) -> "TrainedTwin":
        metrics, interval = training.examination.metrics, training.examination.by_level[DEFAULT_LEVEL]
        unit = training.data.target.get("unit")
        return cls(
            bundle=bundle,
            report=report,
            model=training.chosen.trial.candidate.name,
            **asdict(metrics),
            coverage=interval.coverage,
            width=interval.width,
            unit=None if unit is None else str(unit),
            test_rows=len(training.split.test),
            statement=split_statement(training.data, training.split),
            notes=training.data.notes,
            warnings=training.warnings,
        )


def split_statement(data: Dataset, split: RowSplit) -> str:
    """What the split lets one say, in a sentence."""
    share = 0.0 if data.time_s is None else float(np.ptp(data.time_s[split.test]) / np.ptp(data.time_s))
    return _SPLITS[split.kind].format(share=share)
