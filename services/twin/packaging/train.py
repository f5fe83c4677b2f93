"""From a table to a signed bundle: honest splits, recipes tried under a time budget, and a report of what was found."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
from sklearn.base import BaseEstimator

from services.twin.packaging.candidates import Candidate
from services.twin.packaging.convert import convert
from services.twin.packaging.csv_table import columns_of
from services.twin.packaging.csv_text import read_csv
from services.twin.packaging.dataset import Dataset, Roles, make_dataset
from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.examination import Served, disappointments, examine, measure
from services.twin.packaging.reference import Matrix, Vector
from services.twin.packaging.row_split import RowSplit, split_rows
from services.twin.packaging.selection import (
    TimeBudget,
    Trial,
    as_good_as_the_best,
    cross_validate,
    fit,
    without_warnings_of_learners,
)
from services.twin.packaging.suspicions import suspicions
from services.twin.packaging.training_record import Finalist, Training, split_statement
from shared.errors import JSON
from shared.onnx.session import OnnxSession

_TIMED_RUNS = 20
_ENDINGS = re.compile(r"(\.csv|\.txt)?(\.gz)?$", re.IGNORECASE)
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9]*[^A-Za-z0-9._-][^A-Za-z0-9]*")
_LONGEST_NAME = 64


class Packager(Protocol):
    """Makes the bundle of the chosen estimator."""

    def __call__(
        self,
        estimator: BaseEstimator,
        X: Matrix,
        y: Vector,
        *,
        features: Sequence[Mapping[str, JSON]],
        target: Mapping[str, JSON],
        calibration: tuple[Matrix, Vector] | None,
        selection: Mapping[str, JSON],
    ) -> Path: ...


def train_on_csv(
    data: Path,
    roles: Roles,
    *,
    recipes: Sequence[Candidate],
    encoding: str | None,
    seconds: float,
    seed: int,
    package: Packager,
    load: Callable[[Path], Served],
    now_s: Callable[[], float],
) -> tuple[Path, Training]:
    """Train on a CSV file; see `services.twin.library.train` for what the arguments mean.

    Parameters
    ----------
    recipes
        What is tried, in this order.
    package, load
        Make the bundle and load it again: what is judged is what will be served.
    now_s
        A clock that only rises.
    """
    budget = TimeBudget(seconds, now_s)
    table = make_dataset(columns_of(read_csv(data, encoding)), roles)
    split = split_rows(table.rows, time_s=table.time_s, groups=table.groups, seed=seed)
    warnings = list(suspicions(table))
    with without_warnings_of_learners():
        trials = list(cross_validate(recipes, table.rows, table.values, split.folds, budget))
        unfinished = {trial.candidate.name: "there was no time for it" for trial in trials if not trial.fold_rmse}
        finalists = list(_finalists(trials, table, split, unfinished, budget))
        chosen = _choose(finalists)
        bundle = package(
            chosen.estimator,
            table.rows[split.fit],
            table.values[split.fit],
            features=table.features,
            target=table.target,
            calibration=_calibration(table, split),
            selection=_selection(table, split, finalists, chosen, warnings),
        )
    examination = examine(load(bundle), table.rows[split.test], table.values[split.test], table.names, seed=seed)
    return bundle, Training(
        table, split, finalists, chosen, unfinished, examination, [*warnings, *disappointments(examination)]
    )


def name_for(data: Path) -> str:
    """What a model is called after its file; empty if nothing in the file's name can be used.

    Examples
    --------
    >>> name_for(Path("data/Boiler 3 (2026).csv.gz"))
    'Boiler-3-2026'
    """
    stem = _NOT_IN_A_NAME.sub("-", _ENDINGS.sub("", data.name))
    return re.sub(r"\.\.+", ".", stem).strip("._-")[:_LONGEST_NAME].strip("._-")


def _choose(finalists: Sequence[Finalist]) -> Finalist:
    """Of those as good as the best, the smallest.

    It is also quick to load and to run, and its size is the same on every machine, so that the same file and seed
    give the same choice.
    """
    as_good = as_good_as_the_best([finalist.trial for finalist in finalists])
    return min((f for f in finalists if f.trial in as_good), key=lambda finalist: finalist.size_bytes)


def _calibration(data: Dataset, split: RowSplit) -> tuple[Matrix, Vector] | None:
    """Rows held back from the fit; without any, the rows of the fit give out-of-fold errors."""
    if not len(split.calibration):
        return None
    return data.rows[split.calibration], data.values[split.calibration]


def _finalists(
    trials: Sequence[Trial], data: Dataset, split: RowSplit, unfinished: dict[str, str], budget: TimeBudget
) -> Iterator[Finalist]:
    """Fit the recipes on all rows that may be learned from, the best first and at least one.

    One without an exact conversion is left out.
    """
    rows, values = data.rows[split.fit], data.values[split.fit]
    test, actual = data.rows[split.test], data.values[split.test]
    found = 0
    for trial in sorted((trial for trial in trials if trial.fold_rmse), key=lambda trial: trial.rmse):
        if found and not budget.allows(trial.fold_s):
            unfinished[trial.candidate.name] = f"there was no time to finish it (CV RMSE {trial.rmse:.4g})"
            continue
        estimator = fit(trial.candidate, rows, values)
        try:
            converted = convert(estimator, None)
        except EstimatorUnsupported as error:
            unfinished[trial.candidate.name] = error.message
            continue
        found += 1
        session = OnnxSession(converted.data, converted.graph)
        output = [converted.graph.outputs[0].name]
        (predicted,) = session.run_only(output, test)
        row_us = min(_time_row_us(session, output, test[:1], budget) for _ in range(_TIMED_RUNS))
        metrics = measure(actual, predicted.astype(np.float64))
        yield Finalist(trial, estimator, metrics, row_us, len(converted.data))


def _time_row_us(session: OnnxSession, output: list[str], row: Matrix, budget: TimeBudget) -> float:
    start_s = budget.elapsed_s()
    session.run_only(output, row)
    return (budget.elapsed_s() - start_s) * 1e6


def _selection(
    data: Dataset, split: RowSplit, finalists: Sequence[Finalist], chosen: Finalist, warnings: Sequence[str]
) -> dict[str, JSON]:
    """What the card says about the way to the model."""
    return {
        "split": split.kind.value,
        "statement": split_statement(data, split),
        "rows": {
            "read": data.rows_read,
            "incomplete": data.rows_read - len(data.rows),
            "repeated": split.left_out,
            "fit": len(split.fit),
            "calibration": len(split.calibration),
            "test": len(split.test),
        },
        "chosen": chosen.trial.candidate.name,
        "candidates": [
            {
                "name": finalist.trial.candidate.name,
                "cv_rmse": finalist.trial.rmse,
                "cv_rmse_std": finalist.trial.deviation,
                "folds": len(finalist.trial.fold_rmse),
                "size_bytes": finalist.size_bytes,
            }
            for finalist in finalists
        ],
        "test": _finite(asdict(chosen.test)),
        "notes": list(data.notes),
        "warnings": list(warnings),
    }


def _finite(figures: Mapping[str, float]) -> dict[str, JSON]:
    return {name: value if np.isfinite(value) else None for name, value in figures.items()}
