import pytest

from services.anomaly.domain.blocks import TooFewRows
from services.anomaly.domain.training_plan import LEAST_FIT_WINDOWS, LEAST_TRAINING_ROWS, plan_training
from shared.errors import JSON

ONE_IN_TWENTY: dict[str, JSON] = {"method": "fpr", "max_fpr": 0.05}


@pytest.mark.parametrize(
    ("kind", "options", "looks_back"),
    [
        ("mahalanobis", {"smoothing_rows": 30}, 29),
        ("autoencoder", {"head": "error"}, 0),
        ("lstm_autoencoder", {"head": "error"}, 49),
        ("lstm_autoencoder", {"smoothing_rows": 30}, 78),
    ],
)
def test_scores_are_independent_once_neither_windows_nor_means_overlap(
    kind: str, options: dict[str, JSON], looks_back: int
):
    with pytest.raises(TooFewRows) as refusal:
        plan_training(kind, options, ONE_IN_TWENTY, rows=50 if looks_back == 0 else 400)
    held_out = 45 * (looks_back + 1) + looks_back
    assert refusal.value.facts["needed"] == -(-held_out * 10 // 3)


def test_network_is_refused_where_it_would_learn_a_handful_of_windows():
    options: dict[str, JSON] = {"head": "error", "window_rows": 5}
    with pytest.raises(TooFewRows) as refusal:
        plan_training("lstm_autoencoder", options, None, rows=30)
    enough = int(str(refusal.value.facts["needed"]))
    assert plan_training("lstm_autoencoder", options, None, rows=enough).blocks.fit_end - 4 == LEAST_FIT_WINDOWS


def test_handful_of_rows_is_refused_for_any_kind():
    with pytest.raises(TooFewRows) as refusal:
        plan_training("auto", {}, None, rows=29)
    assert refusal.value.facts["needed"] == LEAST_TRAINING_ROWS


@pytest.mark.parametrize("kind", ["auto", "lstm_autoencoder"])
@pytest.mark.parametrize("rows", [1, 40, 100, 300, 600])
def test_number_of_rows_that_is_named_does_although_more_rows_let_scores_look_further_back(kind: str, rows: int):
    rule: dict[str, JSON] = {"method": "percentile", "q": 95}
    with pytest.raises(TooFewRows) as refusal:
        plan_training(kind, {}, rule, rows=rows)
    assert refusal.value.facts["rows"] == rows
    assert plan_training(kind, {}, rule, rows=int(str(refusal.value.facts["needed"]))).blocks.rows > rows
