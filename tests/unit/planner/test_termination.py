"""When a search ends: the first limit, or all of them."""

from dataclasses import replace

import pytest

from services.planner.domain.score import Score
from services.planner.solver.termination import Combine, Standing, StopReason, Termination, reason_to_stop

NONE = Termination(seconds=None)
STANDING = Standing(
    seconds=10.0,
    seconds_since_better=4.0,
    steps=1000,
    score=Score(("hard", "soft"), (0, -500), 0),
    steps_since_better=300,
    gap=0.02,
)


def score(hard: int, soft: int) -> Score:
    return Score(("hard", "soft"), (hard, soft), 0)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (NONE, None),
        (replace(NONE, seconds=10.0), StopReason.SECONDS),
        (replace(NONE, seconds=10.1), None),
        (replace(NONE, unimproved_seconds=4.0), StopReason.UNIMPROVED_SECONDS),
        (replace(NONE, unimproved_seconds=4.1), None),
        (replace(NONE, steps=1000), StopReason.STEPS),
        (replace(NONE, steps=1001), None),
        (replace(NONE, unimproved_steps=300), StopReason.UNIMPROVED_STEPS),
        (replace(NONE, unimproved_steps=301), None),
        (replace(NONE, gap=0.02), StopReason.GAP),
        (replace(NONE, gap=0.019), None),
        (replace(NONE, best_score=score(0, -500)), StopReason.BEST_SCORE),
        (replace(NONE, best_score=score(0, -499)), None),
        (replace(NONE, longest_seconds=10.0), StopReason.SECONDS),
    ],
)
def test_a_search_ends_at_the_limit_it_reached(limits: Termination, reason: StopReason | None):
    assert reason_to_stop(limits, STANDING) is reason


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (replace(NONE, seconds=5.0, steps=500), StopReason.ALL_LIMITS),
        (replace(NONE, seconds=5.0, steps=2000), None),
        (replace(NONE, seconds=20.0, steps=500), None),
        (replace(NONE, seconds=20.0, steps=500, longest_seconds=9.0), StopReason.SECONDS),
        (replace(NONE, steps=500), StopReason.STEPS),
        (NONE, None),
    ],
)
def test_limits_that_are_combined_must_all_be_reached(limits: Termination, reason: StopReason | None):
    assert reason_to_stop(replace(limits, combine=Combine.ALL), STANDING) is reason


def test_a_plan_that_cannot_be_better_ends_any_search():
    assert reason_to_stop(NONE, replace(STANDING, score=score(0, 0))) is StopReason.PERFECT
    assert reason_to_stop(NONE, replace(STANDING, gap=0.0)) is StopReason.OPTIMAL


def test_without_a_proven_gap_a_limit_of_the_gap_is_not_reached():
    assert reason_to_stop(replace(NONE, gap=1.0), replace(STANDING, gap=None)) is None
