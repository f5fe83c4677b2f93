"""How to search."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Construction(StrEnum):
    """How the first plan is made."""

    FIRST_FIT = "first_fit"
    FIRST_FIT_DECREASING = "first_fit_decreasing"


class Priority(StrEnum):
    """What puts a device in front: an early date, or a long inspection."""

    DUE_DATE = "due_date"
    CONDITION_DUE = "condition_due"
    INSPECTION_DAYS = "inspection_days"


class SearchKind(StrEnum):
    """How the plan is made better."""

    PORTFOLIO = "portfolio"
    LATE_ACCEPTANCE = "late_acceptance"
    TABU = "tabu"
    SIMULATED_ANNEALING = "simulated_annealing"


@dataclass(frozen=True, slots=True)
class TabuOptions:
    """For how many steps a moved device, and the day it went to, are left alone; chosen by size if not given."""

    entity_size: int | None = None
    value_size: int | None = None


@dataclass(frozen=True, slots=True)
class AnnealingOptions:
    """Rise in points of each level that is taken with probability 1/e at first; measured if not given.

    Temperatures given fall in a straight line to 0 over the search, once. Measured ones fall by the same factor in
    every step, and several times.
    """

    start_temperature: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class SolveOptions:
    """Settings of a solve.

    Parameters
    ----------
    construction, priority
        How the first plan is made; `priority` is for First Fit Decreasing, what counts most in front.
    search
        How it is made better; the portfolio uses several ways at once.
    late_acceptance_size
        Number of past steps a move is compared with; `"auto"` chooses by the size of the problem.
    accepted_count_limit
        Number of acceptable moves of which the best one is taken.
    tabu, annealing
        Of those searches.
    polish
        Whether at the end what a search leaves undone is looked for; see `finish`.
    seed
        Of the random moves.
    threads
        Searches side by side, each with random moves of its own. Part of what a seed means.
    """

    construction: Construction = Construction.FIRST_FIT
    priority: tuple[Priority, ...] = (Priority.DUE_DATE, Priority.INSPECTION_DAYS)
    search: SearchKind = SearchKind.PORTFOLIO
    late_acceptance_size: int | Literal["auto"] = "auto"
    accepted_count_limit: int = 1
    tabu: TabuOptions = TabuOptions()
    annealing: AnnealingOptions = AnnealingOptions()
    polish: bool = True
    seed: int = 0
    threads: int = 2
