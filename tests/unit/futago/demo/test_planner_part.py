"""The check that a plan's explanation adds up."""

import pytest

from futago.demo.errors import DemoFailed
from futago.demo.planner_part import require_sum

MATCHES = [{"level": "hard", "points": -1}, {"level": "soft", "points": -0.1}, {"level": "soft", "points": -0.2}]


def test_points_that_add_up_level_by_level_are_accepted():
    require_sum({"hard": -1, "medium": 0, "soft": -0.3}, MATCHES)


@pytest.mark.parametrize("score", [{"hard": 0, "soft": -0.3}, {"hard": -1, "soft": -0.31}, {"hard": -1, "medium": -1}])
def test_points_that_do_not_add_up_are_refused(score: dict[str, float]):
    with pytest.raises(DemoFailed, match="adds up to"):
        require_sum(score, MATCHES)
