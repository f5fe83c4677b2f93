"""From files to detectors and verdicts: what a command line does in one go."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from services.anomaly.adapters.detector_bundle import read_detector, served_detector, write_detector
from services.anomaly.adapters.onnx_detector import OnnxResidualModel
from services.anomaly.adapters.table_files import WHOLE, Reading, read_labelled_files, read_table_file, write_table_file
from services.anomaly.domain.arrays import Floats, Times
from services.anomaly.domain.csv_table import Selection
from services.anomaly.domain.detection import Detection
from services.anomaly.domain.evaluation_trial import Contestant, Evaluation, evaluate
from services.anomaly.domain.evaluation_verdict import LabelledRows
from services.anomaly.domain.labelled_table import LabelledTable
from services.anomaly.domain.preparation_off import check_off_column, read_off_rule
from services.anomaly.domain.rows import RowsRefused, check_columns, times_us
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.trained import Trained
from services.anomaly.domain.training_plan import plan_training
from services.anomaly.exports.evaluation_page import detector_sections, evaluation_page
from services.anomaly.exports.evaluation_text import evaluation_text
from services.anomaly.exports.training_page import training_page
from services.anomaly.training.pipeline import Hooks, TrainingSet, train
from shared.clock import Clock, rfc3339
from shared.errors import JSON, Fault
from shared.onnx.bundle import check_replaceable, open_bundle
from shared.onnx.signing import SigningKey, TrustStore

if TYPE_CHECKING:
    from services.anomaly.training.fit import Epoch

__all__ = [
    "EvaluatedFiles",
    "LabelledTable",
    "Reading",
    "Recipe",
    "Selection",
    "TrainedFile",
    "evaluate_anew",
    "evaluate_bundle",
    "evaluate_trained",
    "read_labelled_files",
    "train_file",
    "write_upload",
    "write_whole",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained and how its limit is set, as for `futago.Detector`.

    Parameters
    ----------
    on_epoch
        Told after every epoch of a network.
    """

    kind: str
    options: Mapping[str, JSON]
    threshold: Mapping[str, JSON] | None
    off: Mapping[str, JSON] | None
    on_epoch: Callable[[Epoch], None]

    def fit(self, rows: Floats, columns: tuple[str, ...], times: Times | None, units: Mapping[str, str]) -> Trained:
        """Train on `(n, c)` normal rows; errors as for `futago.Detector.fit`."""
        check_columns(columns)
        off = None if self.off is None else read_off_rule(self.off)
        check_off_column(off, columns)
        plan = plan_training(self.kind, self.options, self.threshold, rows=len(rows), sensors=rows.shape[1])
        period = None if times is None else (_moment(times[0]), _moment(times[-1]))
        hooks = Hooks(OnnxResidualModel, self.on_epoch, lambda: False)
        return train(TrainingSet(rows, columns, units, period, times, off), plan, hooks)


@dataclass(frozen=True, slots=True)
class TrainedFile:
    """A detector that was made of a file: its signed bundle, and the page about it."""

    bundle: Path
    page: Path


@dataclass(frozen=True, slots=True)
class EvaluatedFiles:
    """What came out of an evaluation.

    Parameters
    ----------
    detectors
        One for each file.
    """

    evaluation: Evaluation
    detectors: tuple[ServedDetector, ...]

    def text(self) -> str:
        """As lines for a terminal."""
        return evaluation_text(self.evaluation)

    def to_json(self) -> dict[str, JSON]:
        """As plain values."""
        return self.evaluation.to_json()

    def html(self) -> str:
        """As a page; of several detectors, that of the first file with a fault is drawn."""
        files = self.evaluation.files
        shown = next((i for i, judged in enumerate(files) if judged.file.truth.any()), 0)
        detector = self.detectors[shown]
        maps = list(detector_sections(detector, files[shown]))
        return evaluation_page(self.evaluation, detector.column_names, maps=maps)


def train_file(
    data: Path,
    recipe: Recipe,
    *,
    name: str,
    version: str,
    out: Path,
    key: SigningKey,
    clock: Clock,
    reading: Reading = WHOLE,
    units: Mapping[str, str] | None = None,
    rows: slice = slice(None),
) -> TrainedFile:
    """Train a detector on a file of normal operation, and write its bundle and a page about it.

    Parameters
    ----------
    data
        `.csv`, `.csv.gz` or `.parquet`; every column that is not left out is a sensor.
    name, version, key
        Of the bundle.
    out
        Its folder; the page lies beside it as `NAME-report.html`.
    units
        By column.
    rows
        The part of the file to learn from.

    Raises
    ------
    RowsRefused
        If the file cannot be used, or a unit is of no column.
    TooFewRows, KindUnknown, OptionsRefused, RuleRefused
        If the detector cannot be trained.
    BundleMalformed
        If the folder holds something else; nothing is trained then.
    """
    check_replaceable(out)
    table = read_table_file(data, reading)
    strange = [column for column in units or () if column not in table.columns]
    if strange:
        raise RowsRefused(
            "a unit was given for something that is no column", faults=[Fault("/columns", column) for column in strange]
        )
    times = None if table.times is None else times_us(table.times)[rows]
    trained = recipe.fit(table.rows[rows], table.columns, times, units or {})
    write_detector(out, trained, name=name, version=version, created_at=rfc3339(clock.now()), key=key)
    page = out.parent / f"{out.name}-report.html"
    write_whole(page, training_page(trained.full_report, title=f"{name} {version}"))
    return TrainedFile(out, page)


def write_upload(data: Path, target: Path, *, reading: Reading, rows: slice) -> tuple[tuple[str, ...], str | None]:
    """Write what was asked for of a file anew, as the plain CSV that a service takes.

    Returns
    -------
    tuple
        Names of the sensors, and of the column of times where there is one.

    Raises
    ------
    RowsRefused
        If the file cannot be used.
    """
    table = read_table_file(data, reading)
    times = None if table.times is None else table.times[rows]
    part = replace(table, rows=table.rows[rows], times=times)
    return part.columns, write_table_file(target, part)


def evaluate_bundle(
    folder: Path, trust: TrustStore, tables: Sequence[LabelledTable], *, context_rows: int, late_start: int
) -> EvaluatedFiles:
    """Judge the detector of a bundle.

    Parameters
    ----------
    trust
        Keys whose bundles are accepted.
    tables
        Recordings; sensors that the detector does not know are left out.
    context_rows
        Rows at the beginning of each recording that are looked back on and not judged.
    late_start
        Most rows dropped at the start of a file for the leak check; 0 leaves it out.

    Raises
    ------
    BundleMalformed, BundleUnsigned, BundleUntrustedKey, BundleAltered
        If it is not such a bundle.
    RowsRefused
        If a recording lacks sensors or is too short.
    """
    served = read_detector(open_bundle(folder, trust))
    return _judged(f"{served.name} {served.version}", served, tables, context_rows, late_start)


def evaluate_trained(
    recipe: Recipe,
    normal: Path,
    tables: Sequence[LabelledTable],
    *,
    reading: Reading,
    context_rows: int,
    late_start: int,
) -> EvaluatedFiles:
    """Train on a file of normal operation, then judge that one detector on every recording.

    Parameters
    ----------
    normal
        A file that holds the sensors of the recordings; whatever else it holds is left out.
    """
    sensors = Selection(tables[0].columns, reading.selection.left_out)
    table = read_table_file(normal, replace(reading, selection=sensors))
    times = None if table.times is None else times_us(table.times)
    served = served_detector(recipe.fit(table.rows, table.columns, times, {}))
    return _judged(recipe.kind, served, tables, context_rows, late_start)


def evaluate_anew(
    recipe: Recipe,
    tables: Sequence[LabelledTable],
    *,
    train_rows: int,
    on_file: Callable[[str], None],
    late_start: int,
) -> EvaluatedFiles:
    """Train anew on the first rows of each recording, and judge the rows after them.

    Parameters
    ----------
    train_rows
        Rows of each recording to learn from; they are the context of the others. Their labels are not looked at.
    on_file
        Told the name of each recording before its training begins.
    """
    files, served = list[LabelledRows](), list[ServedDetector]()
    for table in tables:
        on_file(table.name)
        files.append(table.judged_from(train_rows))
        times = None if table.times is None else table.times[:train_rows]
        served.append(served_detector(recipe.fit(table.rows[:train_rows], table.columns, times, {})))
    return _evaluated(recipe.kind, files, served, late_start)


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, staging = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(staging).chmod(0o644)
        Path(staging).replace(path)
    finally:
        Path(staging).unlink(missing_ok=True)


def _judged(
    name: str, served: ServedDetector, tables: Sequence[LabelledTable], context_rows: int, late_start: int
) -> EvaluatedFiles:
    files = [table.taking(served.column_names).judged_from(context_rows) for table in tables]
    return _evaluated(name, files, [served] * len(files), late_start)


def _evaluated(
    name: str, files: Sequence[LabelledRows], served: Sequence[ServedDetector], late_start: int
) -> EvaluatedFiles:
    contestants = [_contestant(detector) for detector in served]
    return EvaluatedFiles(evaluate(name, files, contestants, late_start=late_start), tuple(served))


def _contestant(served: ServedDetector) -> Contestant:
    def detect(file: LabelledRows) -> Detection:
        return served.detect(
            file.rows, served.threshold.value, file.context, times=file.times, context_times=file.context_times
        )

    mean = np.array([column.mean for column in served.columns])
    return Contestant(detect, mean, np.array([column.std for column in served.columns]))


def _moment(time_us: np.int64) -> datetime:
    return _EPOCH + timedelta(microseconds=int(time_us))
