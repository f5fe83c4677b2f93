"""When a search ends, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from services.planner.domain.score import Score


class StopReason(StrEnum):
    """Why a search ended; in every result."""

    SECONDS = "seconds"
    UNIMPROVED_SECONDS = "unimproved_seconds"
    BEST_SCORE = "best_score"
    GAP = "gap"
    STEPS = "steps"
    UNIMPROVED_STEPS = "unimproved_steps"
    ALL_LIMITS = "all_limits"
    STOPPED = "stopped"
    PERFECT = "perfect"
    OPTIMAL = "optimal"
    NOTHING_TO_MOVE = "nothing_to_move"


class Combine(StrEnum):
    """Whether one limit is enough, or every one that is set must be reached."""

    ANY = "any"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Termination:
    """Limits of a search.

    Parameters
    ----------
    seconds
        Wall-clock time from the start of the construction [s].
    unimproved_seconds
        Time without a better plan [s].
    best_score
        Points by level, the first level first; reached when the plan is at least as good.
    gap
        Part of the cost that a better plan could save at most, 0 to 1; reached when the proven one is no larger.
    steps
        Moves tried. A search limited by nothing else gives the same plan for the same seed.
    unimproved_steps
        Moves tried without a better plan.
    combine
        Whether the first limit reached ends the search, or the last.
    longest_seconds
        Wall-clock time that ends the search however the limits are combined [s].
    """

    seconds: float | None = 60.0
    unimproved_seconds: float | None = None
    best_score: Score | None = None
    gap: float | None = None
    steps: int | None = None
    unimproved_steps: int | None = None
    combine: Combine = Combine.ANY
    longest_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a search is; `gap` is `None` while none is proven."""

    seconds: float
    seconds_since_better: float
    steps: int
    score: Score
    steps_since_better: int = 0
    gap: float | None = None


def reason_to_stop(limits: Termination, standing: Standing) -> StopReason | None:
    """Return the limit that is reached, or that the plan is the best there is."""
    if not any(standing.score.units):
        return StopReason.PERFECT
    if standing.gap is not None and standing.gap <= 0.0:
        return StopReason.OPTIMAL
    if limits.longest_seconds is not None and standing.seconds >= limits.longest_seconds:
        return StopReason.SECONDS
    reached = dict(_limits(limits, standing))
    if limits.combine is Combine.ALL and len(reached) > 1:
        return StopReason.ALL_LIMITS if all(reached.values()) else None
    return next((reason for reason, is_reached in reached.items() if is_reached), None)


def _limits(limits: Termination, standing: Standing) -> Iterator[tuple[StopReason, bool]]:
    """Yield every limit that is set, and whether it is reached."""
    if limits.best_score is not None:
        yield StopReason.BEST_SCORE, standing.score >= limits.best_score
    if limits.gap is not None:
        yield StopReason.GAP, standing.gap is not None and standing.gap <= limits.gap
    if limits.steps is not None:
        yield StopReason.STEPS, standing.steps >= limits.steps
    if limits.unimproved_steps is not None:
        yield StopReason.UNIMPROVED_STEPS, standing.steps_since_better >= limits.unimproved_steps
    if limits.seconds is not None:
        yield StopReason.SECONDS, standing.seconds >= limits.seconds
    if limits.unimproved_seconds is not None:
        yield StopReason.UNIMPROVED_SECONDS, standing.seconds_since_better >= limits.unimproved_seconds
