"""False alarms of detectors on rows in which nothing happens: noise without and with memory."""

from collections.abc import Mapping

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.blocks import TooFewRows
from services.anomaly.library import Detector
from shared.errors import JSON

_MEMORIES = (0.0, 0.8)
_TRAINING_ROWS = (200, 400, 1000, 5000)
_SENSORS = (1, 3, 8)
_STARTS, _JUDGED_ROWS = 30, 1600
# Fewer than these rows do not suffice for the rates; a 5-row mean, so that many scores are independent.
_RULE_ROWS, _RULE_SMOOTHING_ROWS, _RULE_SENSORS = 4000, 5, 4
_RULES: Mapping[str, Mapping[str, JSON]] = {
    "percentile 95": {"method": "percentile", "q": 95},
    "fpr 0.05": {"method": "fpr", "max_fpr": 0.05},
    "fpr 0.01": {"method": "fpr", "max_fpr": 0.01},
    "sigma 3": {"method": "sigma", "k": 3},
    "pot 0.01": {"method": "pot", "risk": 0.01},
}


def main() -> None:
    """Print shares of rows called by the defaults, then what became of the rates that were asked for."""
    print(
        f"  noise x[t] = memory x[t-1] + e[t], {_STARTS} starts; rows called by `auto` in the {_JUDGED_ROWS} after it"
    )
    for memory in _MEMORIES:
        for sensors in _SENSORS:
            _print_defaults(memory, sensors)
    print(f"  noise of {_RULE_SENSORS} sensors, {_RULE_ROWS} training rows, {_RULE_SMOOTHING_ROWS}-row mean")
    for memory in _MEMORIES:
        for name, rule in _RULES.items():
            _print_rule(memory, name, rule)


def noise(start: int, rows: int, sensors: int, memory: float) -> Floats:
    """`(rows, sensors)` of a stationary autoregressive process of order 1."""
    steps = np.random.default_rng(start).normal(size=(rows, sensors))
    steps[0] /= np.sqrt(1.0 - memory**2)
    for i in range(1, rows):
        steps[i] += memory * steps[i - 1]
    return steps


def _print_defaults(memory: float, sensors: int) -> None:
    found = []
    for training_rows in _TRAINING_ROWS:
        shares = []
        for start in range(_STARTS):
            rows = noise(start, training_rows + _JUDGED_ROWS, sensors, memory)
            training = rows[:training_rows]
            detection = Detector().fit(training).detect(rows[training_rows:], context=training)
            shares.append(100.0 * float(detection.labels.mean()))
        found.append(f"{training_rows}: {np.mean(shares):4.1f} % (worst {max(shares):4.1f} %)")
    print(f"  memory {memory:.1f}, sensors {sensors}, training rows {', '.join(found)}")


def _print_rule(memory: float, name: str, rule: Mapping[str, JSON]) -> None:
    rows_called, stretches_called = [], []
    for start in range(_STARTS):
        rows = noise(start, 2 * _RULE_ROWS, _RULE_SENSORS, memory)
        training = rows[:_RULE_ROWS]
        detector = Detector("mahalanobis", smoothing_rows=_RULE_SMOOTHING_ROWS, threshold=rule)
        try:
            labels = detector.fit(training).detect(rows[_RULE_ROWS:], context=training).labels
        except TooFewRows:
            continue
        rows_called.append(100.0 * float(labels.mean()))
        stretch_rows = detector.warmup_rows + 1
        whole = labels[: len(labels) // stretch_rows * stretch_rows].reshape(-1, stretch_rows)
        stretches_called.append(100.0 * float(whole.max(axis=1).mean()))
    if not rows_called:
        print(f"  memory {memory:.1f}, {name:14s} refused: more rows are needed")
        return
    print(
        f"  memory {memory:.1f}, {name:14s} rows called: mean {np.mean(rows_called):5.2f} %, 90 % of starts below"
        f" {np.quantile(rows_called, 0.9):5.2f} %; stretches with such a row: mean {np.mean(stretches_called):5.2f} %;"
        f" refused {_STARTS - len(rows_called)} times"
    )
