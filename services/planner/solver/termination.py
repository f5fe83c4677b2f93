"""When a search ends, and why."""

from dataclasses import dataclass
from enum import StrEnum

from services.planner.domain.score import Score


class StopReason(StrEnum):
    """Why a search ended; in every result."""

    SECONDS = "seconds"
    UNIMPROVED_SECONDS = "unimproved_seconds"
    BEST_SCORE = "best_score"
    STEPS = "steps"
    STOPPED = "stopped"
    PERFECT = "perfect"
    NOTHING_TO_MOVE = "nothing_to_move"


@dataclass(frozen=True, slots=True)
class Termination:
    """Limits of a search; the first one reached ends it.

    Parameters
    ----------
    seconds
        Wall-clock time from the start of the construction [s].
    unimproved_seconds
        Time without a better plan [s].
    best_score
        Points by level, the first level first; reached when the plan is at least as good.
    steps
        Moves tried. A search limited by nothing else gives the same plan for the same seed.
    """

    seconds: float | None = 60.0
    unimproved_seconds: float | None = None
    best_score: Score | None = None
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a search is."""

    seconds: float
    seconds_since_better: float
    steps: int
    score: Score


def reason_to_stop(limits: Termination, standing: Standing) -> StopReason | None:
    """Return the limit that is reached, if one is."""
    if not any(standing.score.units):
        return StopReason.PERFECT
    if limits.best_score is not None and standing.score >= limits.best_score:
        return StopReason.BEST_SCORE
    if limits.steps is not None and standing.steps >= limits.steps:
        return StopReason.STEPS
    if limits.seconds is not None and standing.seconds >= limits.seconds:
        return StopReason.SECONDS
    if limits.unimproved_seconds is not None and standing.seconds_since_better >= limits.unimproved_seconds:
        return StopReason.UNIMPROVED_SECONDS
    return None
