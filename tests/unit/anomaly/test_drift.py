"""What is called drift, what is not, and how the counts behind it add up."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.anomaly.domain.drift import DriftVerdict, drift_report
from services.anomaly.domain.drift_tally import PAIRED_SENSORS, Recent, Reference, Tally, fit_reference, tally_arrays

NOW = datetime(2026, 4, 1, tzinfo=UTC)
NAMES = ("flow", "pressure", "temperature")


def plant(rows: int, seed: int, *, memory: float = 0.0) -> np.ndarray:
    """Three sensors, the second one following the first; each row keeps a share of the one before."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(rows, 3))
    noise[:, 1] = 0.8 * noise[:, 0] + 0.6 * noise[:, 1]
    for i in range(1, rows):
        noise[i] = memory * noise[i - 1] + np.sqrt(1.0 - memory**2) * noise[i]
    return np.array([30.0, 6.0, 350.0]) + noise * [2.0, 0.3, 1.5]


def recent(reference: Reference, rows: np.ndarray, *, at: datetime = NOW) -> Recent:
    return Recent(None, reference.count(rows), at, at, at + timedelta(seconds=len(rows)))


def verdicts(trained: np.ndarray, later: np.ndarray) -> list[DriftVerdict]:
    reference = fit_reference(trained)
    return [sensor.verdict for sensor in drift_report(NAMES, reference, recent(reference, later)).sensors]


@pytest.mark.parametrize("memory", [0.0, 0.9, 0.98])
def test_rows_without_drift_are_stable_however_much_neighbours_resemble_one_another(memory: float):
    found = [
        verdict
        for seed in range(12)
        for verdict in verdicts(plant(3000, seed, memory=memory), plant(1500, seed + 100, memory=memory))
    ]
    assert set(found) <= {DriftVerdict.STABLE, DriftVerdict.UNKNOWN}


def test_rows_that_share_most_of_their_readings_say_little():
    reference = fit_reference(plant(3000, 1, memory=0.98))
    (flow, *_) = drift_report(NAMES, reference, recent(reference, plant(1000, 2, memory=0.98))).sensors
    assert flow.independent_rows < 30


@pytest.mark.parametrize(
    ("shift", "factor", "verdict"),
    [
        (0.12, 1.0, DriftVerdict.DRIFTING),
        (1.0, 1.0, DriftVerdict.CHANGED),
        (0.0, 1.4, DriftVerdict.DRIFTING),
        (0.0, 0.0, DriftVerdict.CHANGED),
    ],
)
def test_sensor_that_moved_is_named_and_the_others_are_not(shift: float, factor: float, verdict: DriftVerdict):
    later = plant(3000, 2)
    later[:, 1] = 6.0 + shift + factor * (later[:, 1] - 6.0)
    found = verdicts(plant(3000, 1), later)
    assert found[1] is verdict
    assert found[2] is DriftVerdict.STABLE


def test_statistics_say_how_far_it_moved():
    reference = fit_reference(plant(3000, 1))
    moved = plant(3000, 2)
    moved[:, 2] += 3.0
    report = drift_report(NAMES, reference, recent(reference, moved))
    sensor = report.sensors[2]
    assert sensor.mean_shift == pytest.approx(2.0, abs=0.1)
    assert sensor.spread_ratio == pytest.approx(1.0, abs=0.05)
    assert sensor.stability_index > 1.0
    # Two normal distributions two deviations apart differ by 0.68; the tenths see nearly all of it.
    assert sensor.ks == pytest.approx(0.68, abs=0.05)
    assert (report.verdict, report.rows, report.since) == (DriftVerdict.CHANGED, 3000, NOW)


def test_sensor_that_no_longer_follows_another_is_noticed_although_its_values_are_usual():
    later = plant(3000, 2)
    later[:1500, 1] = np.random.default_rng(5).permutation(later[:1500, 1])
    reference = fit_reference(plant(3000, 1))
    sensors = drift_report(NAMES, reference, recent(reference, later)).sensors
    assert [sensor.verdict for sensor in sensors] == [DriftVerdict.DRIFTING, DriftVerdict.DRIFTING, DriftVerdict.STABLE]
    assert sensors[1].correlation_change == pytest.approx(0.4, abs=0.1)
    assert sensors[1].stability_index < 0.1


@pytest.mark.parametrize(("share", "verdict"), [(0.02, "stable"), (0.2, "drifting"), (1.0, "changed")])
def test_missing_readings_are_drift_of_their_own(share: float, verdict: str):
    later = plant(3000, 2)
    later[np.random.default_rng(0).uniform(size=3000) < share, 0] = np.nan
    assert verdicts(plant(3000, 1), later)[0] == verdict


def test_few_rows_are_no_verdict():
    assert set(verdicts(plant(3000, 1), plant(8, 2) + 100.0)) == {DriftVerdict.UNKNOWN}
    reference = fit_reference(plant(300, 1))
    lost = drift_report(NAMES, reference, recent(reference, np.full((1, 3), np.nan)))
    assert (lost.verdict, lost.rows) == (DriftVerdict.UNKNOWN, 1)
    nothing = drift_report(NAMES, reference, None)
    assert (nothing.verdict, nothing.rows, nothing.sensors) == (DriftVerdict.UNKNOWN, 0, ())


def test_sensor_that_stood_still_in_training_is_changed_when_it_moves():
    trained, later = plant(2000, 1), plant(2000, 2)
    trained[:, 0] = 5.0
    assert verdicts(trained, np.where(np.arange(3) == 0, 5.0, later))[0] is DriftVerdict.STABLE
    later[:, 0] = 5.0 + np.random.default_rng(1).normal(size=2000)
    assert verdicts(trained, later)[0] is DriftVerdict.CHANGED


def test_absurd_reading_does_not_drown_the_rest():
    later = plant(2000, 2)
    later[7, 0] = 1e30
    assert verdicts(plant(3000, 1), later)[0] is DriftVerdict.STABLE


@settings(max_examples=30)
@given(st.integers(2, 120), st.integers(0, 119), st.integers(0, 10_000))
def test_counts_of_parts_add_up_to_the_counts_of_the_whole(rows: int, cut: int, seed: int):
    values = plant(rows, seed)
    values[np.random.default_rng(seed).uniform(size=values.shape) < 0.2] = np.nan
    reference = fit_reference(plant(300, 1))
    cut = min(cut, rows)
    whole = tally_arrays(reference.count(values))
    parts = tally_arrays(reference.count(values[:cut]).plus(reference.count(values[cut:])))
    for name in whole:
        # Only the pair of neighbours that was cut apart is lost.
        if name in {"pairs", "products"}:
            continue
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-9, atol=1e-9)
    assert (whole["pairs"] - parts["pairs"] <= 1).all()


def test_old_rows_are_forgotten_a_lot_at_a_time():
    reference = fit_reference(plant(300, 1))
    kept, seen = recent(reference, plant(100, 0)), 100
    for i in range(1, 40):
        kept = kept.followed_by(recent(reference, plant(100, i), at=NOW + timedelta(seconds=100 * i)), window_rows=1000)
        seen += 100
        assert min(seen, 500) <= kept.tally.rows <= 1100
    assert kept.until == NOW + timedelta(seconds=4000)
    assert (kept.until - kept.since).total_seconds() == kept.tally.rows


def test_many_sensors_have_no_pairs():
    rows = np.random.default_rng(0).normal(size=(200, PAIRED_SENSORS + 1))
    reference = fit_reference(rows)
    report = drift_report(tuple(map(str, range(PAIRED_SENSORS + 1))), reference, recent(reference, rows))
    assert {sensor.correlation_change for sensor in report.sensors} == {None}
    assert isinstance(reference.tally, Tally)
