"""The protocol of SKAB (Katser & Kozitsin 2020) on real pump data: the first 400 rows train, the rest is judged by row.

Needs the folder `anomaly/skab` below `FUTAGO_DATA`.
"""

import csv
import gzip
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from services.anomaly.domain.evaluation import Confusion
from services.anomaly.library import Detector

TRAIN_ROWS = 400


@dataclass(frozen=True)
class Run:
    """One labelled run of the pump: `(n, 8)` readings and `(n,)` truth."""

    rows: np.ndarray
    truth: np.ndarray


def read_run(path: Path) -> Run:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        table = list(csv.DictReader(file, delimiter=";"))
    sensors = [name for name in table[0] if name not in {"datetime", "anomaly", "changepoint"}]
    return Run(
        np.array([[float(row[name]) for name in sensors] for row in table]),
        np.array([float(row["anomaly"]) for row in table]).astype(np.int8),
    )


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    data = os.environ.get("FUTAGO_DATA")
    if data is None:
        pytest.skip("left out: FUTAGO_DATA does not name a folder with plant data")
    folder = Path(data) / "anomaly" / "skab"
    paths = sorted(path for path in folder.rglob("*.csv.gz") if path.parent.name != "anomaly-free")
    return {path.relative_to(folder).as_posix().removesuffix(".csv.gz"): read_run(path) for path in paths}


def judge(kind: str, runs: Iterable[Run]) -> tuple[Confusion, Confusion]:
    """Pooled tables of a kind's defaults, and of calling every row anomalous."""
    found = everything = Confusion(0, 0, 0, 0)
    for run in runs:
        train, test, truth = run.rows[:TRAIN_ROWS], run.rows[TRAIN_ROWS:], run.truth[TRAIN_ROWS:]
        labels = Detector(kind).fit(train).detect(test, context=train).labels
        found, everything = found + Confusion.of(truth, labels), everything + Confusion.of(truth, np.ones_like(truth))
    print(  # noqa: T201 (the figures are what somebody runs this test for)
        f"{kind}: F1 {found.f1:.3f} (all ones {everything.f1:.3f}), "
        f"FAR {100 * found.false_alarm_rate:.1f} %, MAR {100 * found.missed_alarm_rate:.1f} %"
    )
    return found, everything


def test_lstm_autoencoder_beats_calling_everything_anomalous_on_a_closing_valve(runs: dict[str, Run]):
    found, everything = judge("lstm_autoencoder", [runs["valve1/0"]])
    assert found.f1 > everything.f1
    assert found.missed_alarm_rate < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "f1", "false_alarm_rate"), [("auto", 0.80, 0.20), ("pca", 0.78, 0.20), ("autoencoder", 0.78, 0.25)]
)
def test_defaults_hold_over_all_runs(kind: str, f1: float, false_alarm_rate: float, runs: dict[str, Run]):
    found, _ = judge(kind, runs.values())
    assert found.f1 > f1
    assert found.false_alarm_rate < false_alarm_rate
