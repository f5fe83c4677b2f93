"""How to search and when to stop, on the wire."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from services.planner.schemas.base import Body, Name


class ConstructionName(StrEnum):
    """How the first plan is made."""

    FIRST_FIT = "first_fit"
    FIRST_FIT_DECREASING = "first_fit_decreasing"


class PriorityName(StrEnum):
    """What puts a device in front of First Fit Decreasing."""

    DUE_DATE = "due_date"
    CONDITION_DUE = "condition_due"
    INSPECTION_DAYS = "inspection_days"


class SearchName(StrEnum):
    """How the plan is made better."""

    PORTFOLIO = "portfolio"
    LATE_ACCEPTANCE = "late_acceptance"
    TABU = "tabu"
    SIMULATED_ANNEALING = "simulated_annealing"


class CombineName(StrEnum):
    """Whether one limit is enough, or every one that is set must be reached."""

    ANY = "any"
    ALL = "all"


class TabuBody(Body):
    """For how many steps what was moved is left alone; chosen by size where left out."""

    entity_size: int | None = Field(None, ge=0, le=1_000_000, description="steps a moved device is left alone")
    value_size: int | None = Field(None, ge=0, le=1_000_000, description="steps the day it went to is left alone")


class AnnealingBody(Body):
    """Temperatures at the start; measured where left out."""

    start_temperature: dict[Name, Annotated[float, Field(ge=0)]] | None = Field(
        None, description="points by level, 0 where left out; they fall to 0 over the search"
    )


class SolverBody(Body):
    """Settings of the search; the source's own are First Fit and late acceptance of size 80 with 1 accepted move."""

    construction: ConstructionName = ConstructionName.FIRST_FIT
    priority: list[PriorityName] = Field(
        [PriorityName.DUE_DATE, PriorityName.INSPECTION_DAYS],
        min_length=1,
        max_length=3,
        description="order of First Fit Decreasing, what counts most in front",
    )
    search: SearchName = SearchName.PORTFOLIO
    late_acceptance_size: Annotated[int, Field(ge=1, le=1_000_000)] | Literal["auto"] = Field(
        "auto", description="past steps a move is compared with"
    )
    accepted_count_limit: int = Field(1, ge=1, le=1000, description="acceptable moves of which the best is taken")
    tabu: TabuBody = TabuBody()
    annealing: AnnealingBody = AnnealingBody()
    polish: bool = Field(
        default=True, strict=True, description="try every device on every day at the end, until none improves the plan"
    )
    seed: int = Field(0, ge=0, lt=2**63)
    threads: int = Field(2, ge=1, le=16, description="searches side by side; part of what a seed means")


class TerminationBody(Body):
    """Limits of the search."""

    seconds: float = Field(60.0, gt=0, le=86_400, description="time from the start of the search [s]")
    unimproved_seconds: float | None = Field(None, gt=0, description="time without a better plan [s]")
    best_score: dict[Name, float] | None = Field(
        None, min_length=1, description="points by level, 0 where left out; reached by a plan at least as good"
    )
    gap: float | None = Field(
        None, ge=0, le=1, description="part of the cost that a better plan could save at most; 0.01 is 1 %"
    )
    steps: int | None = Field(None, gt=0, lt=2**53, description="moves tried; the same seed gives the same plan")
    unimproved_steps: int | None = Field(None, gt=0, lt=2**53, description="moves tried without a better plan")
    combine: CombineName = Field(
        CombineName.ANY,
        description="`all`: every limit given must be reached; the longest search allowed here ends it all the same",
    )
