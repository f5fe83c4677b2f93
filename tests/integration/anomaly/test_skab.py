"""The published protocol of SKAB on real pump data: the first 400 rows train, the rest is judged by row."""

from pathlib import Path

import pytest

from benchmarks.anomaly.pump import judge, left_out, pool
from benchmarks.skab import Run, read_runs
from services.anomaly.domain.evaluation import Confusion
from services.anomaly.library import Detector


@pytest.fixture(scope="module")
def runs(data: Path) -> dict[str, Run]:
    found = {run.name: run for run in read_runs(data)}
    if not found:
        pytest.skip(f"left out: no labelled runs in anomaly/skab below {data}")
    return found


@pytest.mark.slow
def test_lstm_autoencoder_beats_calling_everything_anomalous_on_a_closing_valve(runs: dict[str, Run]):
    verdict = judge(Detector("lstm_autoencoder"), runs["valve1/0.csv.gz"])
    assert verdict.found.f1 > verdict.all_ones.f1
    assert verdict.found.missed_alarm_rate < 0.5


@pytest.mark.parametrize(
    ("kind", "f1", "false_alarm_rate"),
    [("auto", 0.80, 0.20), ("pca", 0.78, 0.20), pytest.param("autoencoder", 0.78, 0.25, marks=pytest.mark.slow)],
)
def test_defaults_hold_over_all_runs(kind: str, f1: float, false_alarm_rate: float, runs: dict[str, Run]):
    total = pool([judge(Detector(kind), run) for run in runs.values()])
    assert total.found.f1 > f1
    assert total.found.false_alarm_rate < false_alarm_rate
    assert total.late_found.f1 > total.late_all_ones.f1


def test_a_setting_is_never_chosen_on_the_run_it_is_judged_on():
    good, bad = Confusion(9, 0, 1, 90), Confusion(1, 0, 9, 90)
    pooled, chosen = left_out({1.0: [bad, good], 2.0: [good, bad]})
    assert chosen == (1.0, 2.0)
    assert pooled == bad + bad
