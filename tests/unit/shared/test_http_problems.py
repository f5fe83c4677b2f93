"""What a failure says on the wire."""

import pytest

from shared.errors import AppError, Kind
from shared.http.problems import problem_of


class Busy(AppError):
    kind, code = Kind.RATE_LIMITED, "demo.busy"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("busy", retry_after_s=retry_after_s)


@pytest.mark.parametrize(("wait_s", "said"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.2, "2"), (2.5, "3"), (60.0, "60")])
def test_whoever_comes_back_when_told_to_does_not_come_too_early(wait_s: float, said: str):
    assert problem_of(Busy(wait_s), "/").headers["Retry-After"] == said
