import numpy as np
import pytest

from services.anomaly.domain.blocks import TooFewRows
from services.anomaly.domain.preparation_fit import PreparedTraining, TooFewUsableRows, prepare_training
from services.anomaly.domain.preparation_off import OffRule
from services.anomaly.domain.training_plan import TrainingPlan, plan_training
from services.anomaly.library import Detector
from shared.errors import JSON

COLUMNS = ("flow", "pressure")
SECOND_US = 1_000_000


def noise(rows: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, 2))


def plan(rows: int, kind: str = "mahalanobis", **options: JSON) -> TrainingPlan:
    return plan_training(kind, {"smoothing_rows": 4, **options}, None, rows=rows)


def prepare(rows: np.ndarray, times: np.ndarray | None = None, off: OffRule | None = None) -> PreparedTraining:
    return prepare_training(rows, times, COLUMNS, off, plan(len(rows)))


def test_rows_in_which_nothing_is_amiss_pass_as_they_are():
    rows = noise(200)
    prepared = prepare(rows)
    assert prepared.runs.rows is rows
    assert len(prepared.runs.starts) == 0
    assert prepared.plan == plan(200)


def test_rows_that_miss_too_much_are_left_out_and_leave_a_break():
    rows = noise(200)
    rows[50:60, 0] = np.nan
    prepared = prepare(rows)
    assert len(prepared.runs) == 195
    assert prepared.runs.starts.tolist() == [55]
    assert prepared.plan.blocks.rows == 195
    assert prepared.findings["missing"] == {"flow": 0.05}
    assert prepared.findings["left_out_rows"] == {"missing": 5, "machine_off": 0}


def test_machine_that_is_off_is_not_learned():
    rows = noise(200)
    rows[120:140] = -50.0
    prepared = prepare(rows, off=OffRule("pressure", -10.0, None, 2))
    assert prepared.runs.rows.min() > -10.0
    assert prepared.findings["left_out_rows"] == {"missing": 0, "machine_off": 22}


def test_pause_is_a_break_and_told_with_the_cadence():
    times = np.arange(200) * SECOND_US
    times[100:] += 60 * SECOND_US
    prepared = prepare(noise(200), times)
    assert prepared.runs.starts.tolist() == [100]
    assert prepared.findings["cadence"] == {"step_s": 1.0, "gap_s": 6.5, "gaps": 1, "uneven_share": 0.0}


def test_first_row_is_no_break():
    rows = noise(200)
    rows[:3, 0] = np.nan
    assert len(prepare(rows).runs.starts) == 0


def test_training_of_which_nothing_can_be_used_is_refused_with_what_was_wrong():
    with pytest.raises(TooFewUsableRows) as refusal:
        prepare(np.full((200, 2), np.nan))
    assert refusal.value.facts == {"missing": 200, "machine_off": 0, "breaks": 0}


def test_sensor_without_a_reading_is_named():
    rows = noise(200)
    rows[:, 1] = np.nan
    with pytest.raises(TooFewUsableRows, match="no reading of pressure"):
        prepare(rows)


def test_training_of_which_too_little_can_be_used_is_refused():
    rows = noise(60)
    rows[20:] = np.nan
    with pytest.raises(TooFewRows):
        prepare(rows)


def test_rows_too_far_apart_for_any_mean_are_refused():
    times = np.where(np.arange(200) % 3 == 2, 100, 1).cumsum() * SECOND_US
    with pytest.raises(TooFewUsableRows, match="irregular"):
        prepare(noise(200), times)


def test_limit_is_set_on_no_score_that_reaches_across_a_break():
    rows = np.concatenate((noise(300), noise(100) + 8.0))
    broken = np.insert(rows, 300, np.full((8, 2), np.nan), axis=0)
    whole, apart = (Detector("mahalanobis", smoothing_rows=4).fit(table) for table in (rows, broken))
    assert apart.card["threshold"]["evidence"]["held_out_rows"] < whole.card["threshold"]["evidence"]["held_out_rows"]


def test_network_is_trained_on_no_window_that_reaches_across_a_break():
    rows = noise(300)
    rows[100:110] = np.nan
    options: dict[str, JSON] = {"window_rows": 8, "hidden_units": 4, "latent": 2, "layers": 1, "epochs": 1}
    card = Detector("lstm_autoencoder", smoothing_rows=2, **options).fit(rows).card
    fit_end = card["blocks"]["fit"][1]
    assert card["training"]["windows"] == (100 - 7) + (fit_end - 100 - 7)


@pytest.mark.parametrize(
    ("period", "rows", "window_rows", "reason"),
    [(24, 400, 24, "one period of 24 rows"), (None, 400, 50, "no period"), (None, 60, 12, "cut")],
)
def test_window_left_to_the_rows_is_chosen_from_them_and_says_why(
    period: int | None, rows: int, window_rows: int, reason: str
):
    table = noise(rows) * 0.1
    if period is not None:
        table += np.sin(2.0 * np.pi * np.arange(rows)[:, None] / period)
    wanted = plan(rows, "lstm_autoencoder", window_rows="auto")
    prepared = prepare_training(table, None, COLUMNS, None, wanted)
    assert prepared.plan.window_rows == prepared.plan.options.window_rows == window_rows
    assert reason in str(prepared.findings["window_reason"])


def test_window_for_which_no_limit_could_be_set_is_not_chosen():
    table = 0.1 * noise(800) + np.sin(2.0 * np.pi * np.arange(800)[:, None] / 70)
    threshold: dict[str, JSON] = {"method": "percentile", "q": 75}
    options: dict[str, JSON] = {"window_rows": "auto", "smoothing_rows": 1}
    wanted = plan_training("lstm_autoencoder", options, threshold, rows=800)
    prepared = prepare_training(table, None, COLUMNS, None, wanted)
    assert prepared.plan.window_rows == 50
    assert "too few rows to set the limit" in str(prepared.findings["window_reason"])


def test_window_that_was_asked_for_is_kept():
    wanted = plan(400, "lstm_autoencoder", window_rows=20)
    prepared = prepare_training(noise(400), None, COLUMNS, None, wanted)
    assert prepared.plan.window_rows == 20
    assert prepared.findings["window_reason"] is None
