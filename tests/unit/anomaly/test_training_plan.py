import pytest

from services.anomaly.domain.blocks import TooFewRows
from services.anomaly.domain.training_plan import plan_training
from shared.errors import JSON

ONE_IN_TWENTY: dict[str, JSON] = {"method": "fpr", "max_fpr": 0.05}


@pytest.mark.parametrize(
    ("kind", "options", "looks_back"),
    [
        ("mahalanobis", {}, 29),
        ("autoencoder", {"head": "error"}, 0),
        ("lstm_autoencoder", {"head": "error"}, 49),
        ("lstm_autoencoder", {}, 78),
    ],
)
def test_scores_are_independent_once_neither_windows_nor_means_overlap(
    kind: str, options: dict[str, JSON], looks_back: int
):
    with pytest.raises(TooFewRows) as refusal:
        plan_training(kind, options, ONE_IN_TWENTY, rows=50 if looks_back == 0 else 400)
    held_out = 45 * (looks_back + 1) + looks_back
    assert refusal.value.facts["needed"] == -(-held_out * 10 // 3)


def test_network_is_refused_where_no_row_would_be_left_to_stop_on():
    with pytest.raises(TooFewRows):
        plan_training("autoencoder", {"head": "error"}, None, rows=6)
    plan_training("autoencoder", {"head": "error"}, None, rows=7)
