import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anomaly.domain.blocks import TooFewRows, divide, rows_for


@given(st.integers(1, 20_000), st.integers(0, 200), st.integers(1, 100), st.booleans())
def test_blocks_follow_one_another_and_the_limit_is_set_on_rows_the_model_never_saw(
    rows: int, warmup_rows: int, least_scored_rows: int, stops_early: bool
):
    try:
        blocks = divide(rows, warmup_rows=warmup_rows, least_scored_rows=least_scored_rows, stops_early=stops_early)
    except TooFewRows as refusal:
        needed = refusal.facts["needed"]
        assert needed > rows
        divide(needed, warmup_rows=warmup_rows, least_scored_rows=least_scored_rows, stops_early=stops_early)
        return
    assert 0 < blocks.fit_end <= blocks.limit_start < blocks.rows == rows
    assert blocks.first_scored - warmup_rows >= blocks.limit_start
    assert blocks.held_out_rows >= least_scored_rows
    assert (blocks.fit_end < blocks.limit_start) == stops_early


def test_network_with_the_default_window_trains_on_400_rows():
    blocks = divide(400, warmup_rows=78, least_scored_rows=30, stops_early=True)
    assert blocks.to_json() == {
        "rows": 400,
        "fit": [0, 224],
        "stop": [224, 280],
        "limit": [280, 400],
        "limit_scored": [358, 400],
    }


def test_refusal_names_the_least_number_that_works():
    with pytest.raises(TooFewRows) as refusal:
        divide(359, warmup_rows=78, least_scored_rows=30, stops_early=True)
    assert refusal.value.facts == {"rows": 359, "needed": rows_for(held_out_rows=30, warmup_rows=78)}
    assert refusal.value.facts["needed"] == 360
