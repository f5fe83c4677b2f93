"""How to search and when to stop, on the wire."""

from typing import Literal

from pydantic import Field

from services.planner.schemas.base import Body, Name


class SolverBody(Body):
    """Settings of the search; the source's own are First Fit and late acceptance of size 80 with 1 accepted move."""

    construction: Literal["first_fit"] = "first_fit"
    search: Literal["late_acceptance"] = "late_acceptance"
    late_acceptance_size: int | Literal["auto"] = Field("auto", description="past steps a move is compared with")
    accepted_count_limit: Literal[1] = 1
    seed: int = Field(0, ge=0, lt=2**63)


class TerminationBody(Body):
    """Limits of the search; the first one reached ends it."""

    seconds: float = Field(60.0, gt=0, le=86_400, description="time from the start of the search [s]")
    unimproved_seconds: float | None = Field(None, gt=0, description="time without a better plan [s]")
    best_score: dict[Name, float] | None = Field(
        None, min_length=1, description="points by level, 0 where left out; reached by a plan at least as good"
    )
    steps: int | None = Field(None, gt=0, lt=2**53, description="moves tried; the same seed gives the same plan")
