"""Which searches run side by side."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from services.planner.domain.problem import Problem
from services.planner.solver.annealing_lane import AnnealingLane, GivenTemperatureLane
from services.planner.solver.lane import Beginning, Lane
from services.planner.solver.late_acceptance_lane import LateAcceptanceLane, list_size
from services.planner.solver.model import used_levels
from services.planner.solver.options import SearchKind, SolveOptions
from services.planner.solver.tabu_lane import TabuLane
from services.planner.solver.termination import Termination

# What one core does, nominally: the machine's own speed would make a seed mean nothing.
MOVES_PER_SECOND: Final = 3_000_000
DEFAULT_SECONDS: Final = 60.0
# A pass of annealing that is longer than this many moves for each device and start day gains less than another one.
# Measured on the article's case: 20 million moves end at 8395 to 8439, 60 million at 8406 to 8411.
PASS_MOVES_PER_START: Final = 1200
# The first of the growing passes of annealing, as a part of the search: a good plan early.
FIRST_PASS: Final = 1 / 256
# Moves for each device and start day before that, taking only what makes the plan no worse, and their largest part of
# the search. A plan that keeps the hard rules came within 0.2 to 3 of them for each, on 72 to 2,000 devices.
OPENING_MOVES_PER_START: Final = 5
LONGEST_OPENING: Final = 1 / 50


def nominal_moves(termination: Termination, threads: int) -> float:
    """Return about how many moves each lane can try."""
    if termination.steps is not None:
        return max(1.0, termination.steps / threads)
    return MOVES_PER_SECOND * (DEFAULT_SECONDS if termination.seconds is None else termination.seconds)


def make_lanes(
    problem: Problem, beginning: Beginning, options: SolveOptions, termination: Termination, *, warm: bool
) -> list[Lane]:
    """Return the searches of a solve.

    Parameters
    ----------
    problem, beginning
        What is planned, and the first plan.
    options, termination
        How, and for how long.
    warm
        Whether the first plan was given, and is worth going on from.
    """
    moves = nominal_moves(termination, options.threads)
    seeds = np.random.SeedSequence(options.seed).generate_state(options.threads, np.uint64)
    return [
        _lane(problem, beginning, options, (number, int(seed) >> 1), moves, warm=warm)
        for number, seed in enumerate(seeds)
    ]


def late_acceptance_size(beginning: Beginning, options: SolveOptions, moves: float) -> int:
    """Return the length of the list, chosen by size if it is not given."""
    return list_size(beginning.model, moves) if options.late_acceptance_size == "auto" else options.late_acceptance_size


def _lane(
    problem: Problem,
    beginning: Beginning,
    options: SolveOptions,
    place: tuple[int, int],
    moves: float,
    *,
    warm: bool,
) -> Lane:
    number, seed = place
    kind = options.search
    if kind is SearchKind.PORTFOLIO:
        kind = (SearchKind.SIMULATED_ANNEALING, SearchKind.SIMULATED_ANNEALING, SearchKind.LATE_ACCEPTANCE)[number % 3]
    if kind is SearchKind.LATE_ACCEPTANCE:
        size = late_acceptance_size(beginning, options, moves)
        return LateAcceptanceLane(beginning, seed, size, options.accepted_count_limit)
    if kind is SearchKind.TABU:
        return TabuLane(beginning, seed, options.tabu)
    if options.annealing.start_temperature is not None:
        given = options.annealing.start_temperature
        units = [float(given.get(level, 0.0)) * 10**problem.decimals for level in used_levels(problem)]
        return GivenTemperatureLane(beginning, seed, np.array(units))
    starts = max(1, int(beginning.model.start_count.sum()))
    if number % 3 == 1 or options.threads == 1:
        opening = int(min(OPENING_MOVES_PER_START * starts, LONGEST_OPENING * moves))
        return AnnealingLane(beginning, seed, list(_growing()), rejoins=True, warm=warm, opening_moves=opening)
    passes = max(1, round(moves / (PASS_MOVES_PER_START * starts)))
    return AnnealingLane(beginning, seed, [(index + 1) / passes for index in range(passes)], rejoins=False)


def _growing() -> Iterator[float]:
    """Yield the ends of passes each twice as long as the one before."""
    end = FIRST_PASS
    while end < 1.0:
        yield end
        end = 2 * end + FIRST_PASS
    yield 1.0
