"""What a card says about live quality and what to expect: read, left out, or refused."""

from typing import Any

import pytest

from services.twin.adapters.live_card import read_expectation, read_live
from services.twin.domain.live_settings import LiveSettings
from services.twin.domain.observed import Expectation
from shared.onnx.errors import BundleMalformed


def test_a_card_without_live_settings_corrects_nothing():
    assert read_live({}) == LiveSettings()
    assert read_live({"live": {"adaptive": True}}).corrects is True
    assert LiveSettings().corrects is False


@pytest.mark.parametrize("live", [True, [], {"adaptive": 1}, {"speed": 2}, {"window_rows": 10}])
def test_live_settings_that_make_no_sense_are_a_malformed_bundle(live: Any):
    with pytest.raises(BundleMalformed, match=r"card\.live"):
        read_live({"live": live})


def test_the_expected_figures_are_those_of_the_interval_that_is_served():
    reports = [
        {"method": "split", "level": 0.9, "coverage": 0.5},
        {"method": "cqr", "level": 0.8, "coverage": 0.6},
        {"method": "cqr", "level": 0.9, "coverage": 0.91},
    ]
    card: dict[str, Any] = {"metrics": {"rmse": 2, "mae": 1.5}, "interval": {"method": "cqr", "evaluation": reports}}
    assert read_expectation(card) == Expectation(2.0, 1.5, 0.91)


@pytest.mark.parametrize(
    "card", [{}, {"metrics": 3, "interval": []}, {"metrics": {"rmse": "2"}, "interval": {"evaluation": [7, None]}}]
)
def test_figures_that_a_card_lacks_are_unknown(card: Any):
    assert read_expectation(card) == Expectation(None, None, None)
