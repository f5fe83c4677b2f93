"""From a problem to a plan: First Fit, then late acceptance until a limit is reached."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from services.planner.domain.arrays import IntArray, frozen_ints
from services.planner.domain.constraints.area_exclusive import AreaExclusive
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem
from services.planner.domain.score import Score
from services.planner.domain.scoring import score_plan
from services.planner.solver.colouring import colour_areas
from services.planner.solver.construct import first_fit, place_at, scatter
from services.planner.solver.kernels import State, empty_state
from services.planner.solver.late_acceptance import remember, search
from services.planner.solver.model import Model, areas_interchangeable, build_model, used_levels
from services.planner.solver.moves import seed_random
from services.planner.solver.options import SolveOptions
from services.planner.solver.termination import Standing, StopReason, Termination, reason_to_stop
from shared.clock import Clock

# Moves between two looks at the clock, at most: about 10 ms. Part of what a seed means: passes end there.
BATCH_MOVES = 50_000

# What follows when late acceptance has settled: a rise of the remembered costs above the best plan's, or none to begin
# again from random days. Measured on the article's case over six seeds, 50 million moves each: 8403 to 8415 with this
# sequence, 8403 to 8425 with (0.02, 0.10, None). Rises of 2 % alone found 8395, but a bad valley kept them at 8641.
REHEATS: Final = (0.02, 0.10, 0.02, 0.10, None)


@dataclass(frozen=True, slots=True)
class Progress:
    """A search under way and its best plan so far."""

    plan: Plan
    score: Score
    steps: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Solution:
    """What a search ended with; the options with the length that `"auto"` came to."""

    plan: Plan
    score: Score
    steps: int
    seconds: float
    stopped_because: StopReason
    options: SolveOptions


def solve(
    problem: Problem,
    *,
    options: SolveOptions,
    termination: Termination,
    clock: Clock,
    on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool],
    progress_interval_s: float = 1.0,
) -> Solution:
    """Search for a plan of the problem until a limit is reached.

    Parameters
    ----------
    problem
        What is planned.
    options, termination
        How, and for how long.
    clock
        For the limits in seconds.
    on_progress
        Called with every better plan, but not more often than every `progress_interval_s` [s].
    should_stop
        Asked about every 10 ms; the best plan so far is the result.
    progress_interval_s
        See `on_progress` [s].

    Raises
    ------
    ProblemTooLarge, WeightsTooLarge
        If the search cannot hold or add up what the problem asks for.
    """
    began_s = clock.monotonic_s()
    run = _Run(problem, options, termination)
    better_at_s = reported_at_s = began_s
    reported = run.best_score()
    on_progress(run.progress(clock.monotonic_s() - began_s))
    while True:
        now_s = clock.monotonic_s()
        if now_s - reported_at_s >= progress_interval_s and run.best_score() > reported:
            reported, reported_at_s = run.best_score(), now_s
            on_progress(run.progress(now_s - began_s))
        standing = Standing(now_s - began_s, now_s - better_at_s, run.steps, run.best_score())
        reason = StopReason.STOPPED if should_stop() else reason_to_stop(termination, standing)
        if reason is None and not len(run.model.movable):
            reason = StopReason.NOTHING_TO_MOVE
        if reason is not None:
            return run.solution(clock.monotonic_s() - began_s, reason)
        if run.advance():
            better_at_s = clock.monotonic_s()


class _Run:
    """A search that remembers its best plan; when a pass of late acceptance has settled, another one follows."""

    def __init__(self, problem: Problem, options: SolveOptions, termination: Termination) -> None:
        self.problem = problem
        self._options = options
        self.model = build_model(problem)
        self.steps = 0
        self._limit = termination.steps
        self._levels = used_levels(problem)
        self._size = list_size(self.model, options, termination)
        # A pass that is going to get better does so within a fifth of its length or so; measured as for `list_size`.
        self._patience_moves = max(1000, self._size * int(self.model.start_count.sum()) // 20)
        self._batch_moves = min(BATCH_MOVES, self._patience_moves)
        self._random = seed_random(options.seed)
        self._passes = 0
        self._pinned = _place_pinned(problem, self.model)
        self._state = State(*(array.copy() for array in self._pinned))
        first_fit(self.model, self._state, np.arange(len(problem.devices), dtype=np.int64))
        self._memory = remember(self._state, self._size)
        self._start_counting()
        self._best_start = self._memory.best_start.copy()
        self._best_area = self._memory.best_area.copy()
        self._best_cost = self._memory.best_cost.copy()

    def _scatter(self) -> None:
        """Begin again from random days: what the search lets pass is at first as bad as they are."""
        self._state = State(*(array.copy() for array in self._pinned))
        scatter(self.model, self._state, self._random)
        self._memory = remember(self._state, self._size)
        self._start_counting()

    def _reheat(self, rise: float) -> None:
        """Go on from the best plan, and let the points that count least get worse by so much for a while."""
        self._state = empty_state(self.model)
        for device, (start, area) in enumerate(zip(self._best_start, self._best_area, strict=True)):
            place_at(self.model, self._state, device, int(start), int(area))
        self._memory = remember(self._state, self._size)
        self._memory.late[:, -1] += int(rise * int(self._best_cost[-1]))
        self._start_counting()

    def _start_counting(self) -> None:
        self._pass_cost = tuple(self._memory.best_cost)
        self._pass_better_at = self.steps

    def _next_pass(self) -> None:
        rise = REHEATS[self._passes % len(REHEATS)]
        self._passes += 1
        if rise is None:
            self._scatter()
        else:
            self._reheat(rise)

    def advance(self) -> bool:
        """Try a batch of moves; tell whether the best plan got better."""
        moves = self._batch_moves if self._limit is None else min(self._batch_moves, self._limit - self.steps)
        search(self.model, self._state, self._memory, self._random, moves)
        self.steps += moves
        cost = tuple(self._memory.best_cost)
        if cost < self._pass_cost:
            self._pass_cost, self._pass_better_at = cost, self.steps
        better = cost < tuple(self._best_cost)
        if better:
            self._best_start[:] = self._memory.best_start
            self._best_area[:] = self._memory.best_area
            self._best_cost[:] = self._memory.best_cost
        if self.steps - self._pass_better_at >= self._patience_moves:
            self._next_pass()
        return better

    def best_score(self) -> Score:
        """Return the score of the best plan, as the search added it up."""
        units = dict.fromkeys(self.problem.levels, 0)
        units.update((level, -int(cost)) for level, cost in zip(self._levels, self._best_cost, strict=True))
        return Score(self.problem.levels, tuple(units.values()), self.problem.decimals)

    def progress(self, seconds: float) -> Progress:
        """Return the best plan so far."""
        return Progress(self._best_plan(), self.best_score(), self.steps, seconds)

    def solution(self, seconds: float, reason: StopReason) -> Solution:
        """Return the best plan, scored from the beginning."""
        plan = self._best_plan()
        score = score_plan(self.problem, plan)
        if score != self.best_score():
            raise RuntimeError(f"the search added up {self.best_score()}, the plan scores {score}")
        return Solution(
            plan, score, self.steps, seconds, reason, replace(self._options, late_acceptance_size=self._size)
        )

    def _best_plan(self) -> Plan:
        area = self._best_area
        if areas_interchangeable(self.problem):
            area = assign_areas(self.problem, self._best_start)
        return Plan(frozen_ints(self._best_start), frozen_ints(area))


def list_size(model: Model, options: SolveOptions, termination: Termination) -> int:
    """Return the length of the late acceptance list.

    A pass takes about 0.11 x length x (devices x start days) moves on the article's case and on 500 devices alike.
    `"auto"` chooses the length whose pass takes a quarter of the moves there is time for, between 80 and 20,000.
    """
    if options.late_acceptance_size != "auto":
        return options.late_acceptance_size
    seconds = 60.0 if termination.seconds is None else termination.seconds
    # Four million moves a second is what one core does; the machine's own speed would make a seed mean nothing.
    moves = 4_000_000 * seconds if termination.steps is None else termination.steps
    length = moves / (4 * 0.11 * max(1, int(model.start_count.sum())))
    return int(min(max(length, 80), 20_000))


def _place_pinned(problem: Problem, model: Model) -> State:
    state = empty_state(model)
    day_index = {day: index for index, day in enumerate(problem.days)}
    for index, device in enumerate(problem.devices):
        if device.pinned and device.start is not None:
            place_at(model, state, index, day_index[device.start])
    return state


def assign_areas(problem: Problem, start: IntArray) -> IntArray:
    """Return an area for each device of a problem whose areas are all alike."""
    scope = next((rule.covered_devices(problem) for rule in problem.rules if isinstance(rule, AreaExclusive)), None)
    exclusive = range(len(problem.devices)) if scope is None else [int(device) for device in np.flatnonzero(scope)]
    return colour_areas(start, problem.inspection_days, exclusive, len(problem.areas))
