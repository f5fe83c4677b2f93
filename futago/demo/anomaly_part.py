"""The detector's part: train as a job on normal rows, score the rest, judge the alarms."""

import time
from collections.abc import Callable

import numpy as np

from futago.client import Client
from futago.demo.cases import AnomalyCase
from futago.demo.figures import AlarmFigures
from futago.demo.report import Finding
from futago.job import Job

KIND = "lstm_autoencoder"
TRAIN_TIMEOUT_S = 600.0


def run(client: Client, case: AnomalyCase, on_progress: Callable[[Job], None]) -> list[Finding]:
    """Train on the first rows of the case, score the later ones with the first as context, and judge the alarms."""
    began_s = time.monotonic()
    job = client.train_detector(case.detector, KIND, case.columns, case.rows[: case.train_rows])
    client.wait(job, TRAIN_TIMEOUT_S, on_progress)
    trained_s = time.monotonic() - began_s
    train_rows, later_rows = np.split(case.rows, [case.train_rows])
    answer = client.score(case.detector, case.columns, later_rows, context=train_rows)
    alarms = np.array(answer["labels"], dtype=np.int8)
    actual = case.labels[case.train_rows :]
    return [
        Finding("anomaly", case.title, f"{KIND} on {case.train_rows} rows, trained as a job in {trained_s:.1f} s"),
        Finding("anomaly", f"{len(actual)} later rows", _sentence(AlarmFigures.of(actual, alarms))),
        Finding("anomaly", "alarm on every row", _sentence(AlarmFigures.of(actual, np.ones_like(actual)))),
        Finding("anomaly", "episodes", f"{len(answer['episodes'])} found, threshold {answer['threshold']:.4g}"),
    ]


def _sentence(figures: AlarmFigures) -> str:
    return f"F1 {figures.f1:.3f}, false alarms {figures.far:.1%}, missed {figures.mar:.1%}"
