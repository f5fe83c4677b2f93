"""Compile the search before the first problem arrives; `python -m services.planner.solver.warm_up` does it ahead."""

import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

from services.planner.domain.calendar import Calendar
from services.planner.domain.constraints.daily_limit import DailyLimit
from services.planner.domain.problem import Area, Device, DeviceType, Horizon, build_problem
from services.planner.solver import annealing, ascent, construct, dual, late_acceptance, polish, ruin, sampled
from services.planner.solver.compiled import SHIPPED, keep_compiled
from services.planner.solver.options import SearchKind, SolveOptions
from services.planner.solver.solve import solve
from services.planner.solver.termination import Termination
from shared.clock import Clock, SystemClock

# Between them every compiled function is called with the types it is called with in earnest.
SEARCHES: Final = (
    SolveOptions(),
    SolveOptions(search=SearchKind.LATE_ACCEPTANCE, late_acceptance_size=1, threads=1),
    SolveOptions(search=SearchKind.LATE_ACCEPTANCE, late_acceptance_size=1, accepted_count_limit=2, threads=1),
    SolveOptions(search=SearchKind.TABU, threads=1),
)
# Enough for the passes of annealing that begin from random days.
STEPS: Final = 1000


def keep_search_compiled(folder: Path) -> bool:
    """Keep all compiled code of the search in a folder; see `keep_compiled`."""
    return keep_compiled(
        (
            construct.fit_first,
            construct.put,
            construct.scatter_all,
            late_acceptance.search,
            sampled.search_choosing,
            sampled.search_tabu,
            annealing.anneal,
            polish.settle,
            ruin.ruin_and_recreate,
            dual.dual_value,
            ascent.ascend,
        ),
        folder,
    )


def warm_up(clock: Clock, cache_dir: Path | None) -> bool:
    """Solve a problem of two devices in every way; most of the time goes into compiling, where no code is kept.

    Parameters
    ----------
    clock
        For the solve.
    cache_dir
        Where compiled code is kept between processes; nowhere if `None`.

    Returns
    -------
    bool
        Whether compiled code is kept.
    """
    kept = cache_dir is not None and keep_search_compiled(cache_dir)
    problem = build_problem(
        name="warm-up",
        horizon=Horizon(date(2019, 4, 1), date(2019, 4, 30)),
        calendar=Calendar(),
        levels=("hard",),
        areas=[Area(1)],
        types=[DeviceType("A", 1)],
        devices=[
            Device("A1", "A", date(2018, 4, 1)),
            Device("A2", "A", date(2018, 4, 1), start=date(2019, 4, 1), pinned=True),
        ],
        # A limit of nobody keeps the score from being perfect, so that the search is compiled too.
        rules=[DailyLimit(key="daily_limit", level="hard", weight=Decimal(1), max_devices=0)],
    )
    for options in SEARCHES:
        solve(
            problem,
            options=options,
            termination=Termination(seconds=None, steps=STEPS),
            clock=clock,
            on_progress=lambda _: None,
            should_stop=lambda: False,
        )
    return kept


if __name__ == "__main__":
    # What an image is built with: rather none than one that compiles at every first start.
    if not warm_up(SystemClock(), SHIPPED):
        sys.exit(f"The compiled search cannot be kept in {SHIPPED}.")
