"""From a problem to a plan: a first one, then searches side by side until a limit is reached, and a bound meanwhile."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event
from typing import Final

import numpy as np

from services.planner.domain.arrays import IntArray, frozen_ints
from services.planner.domain.constraints.area_exclusive import AreaExclusive
from services.planner.domain.optimality import Optimality
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem
from services.planner.domain.score import Score
from services.planner.domain.scoring import score_plan
from services.planner.solver.begin import StartPlan, begin
from services.planner.solver.bound import BoundSearch
from services.planner.solver.colouring import colour_areas
from services.planner.solver.exact import is_small, prove
from services.planner.solver.finish import kept_for_exact_s, polish_moves, polish_parts
from services.planner.solver.lane import Found
from services.planner.solver.model import areas_interchangeable, build_model, used_levels
from services.planner.solver.options import SearchKind, SolveOptions
from services.planner.solver.portfolio import DEFAULT_SECONDS, late_acceptance_size, make_lanes, nominal_moves
from services.planner.solver.termination import Standing, StopReason, Termination, reason_to_stop
from shared.clock import Clock

# Moves of each lane between two looks at the clock, at most: about 15 ms. Part of what a seed means: there temperatures
# change and lanes meet.
BATCH_MOVES: Final = 50_000
# A short search has at least about this many of them.
FEWEST_BATCHES: Final = 200
SHORTEST_BATCH: Final = 100
# The first better plans are shown this soon; later ones at ever longer intervals, up to the one asked for [s].
FIRST_PAUSE_S: Final = 0.05
# Steps of the bound's ascent between two looks at the lanes.
BOUND_STEPS: Final = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """A search under way, its best plan so far and what is proven about it."""

    plan: Plan
    score: Score
    optimality: Optimality
    steps: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Solution(Progress):
    """What a search ended with; the options with the length that `"auto"` came to."""

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
    start_plan: StartPlan | None = None,
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
        Called with every better plan or bound, but not more often than every `progress_interval_s` [s].
    should_stop
        Asked about every 15 ms; the best plan so far is the result.
    start_plan
        Where the search begins; devices without a place in it are placed first.
    progress_interval_s
        See `on_progress` [s].

    Raises
    ------
    ProblemTooLarge, WeightsTooLarge
        If the search cannot hold or add up what the problem asks for.
    """
    began_s = clock.monotonic_s()
    run = _Run(problem, options, termination, start_plan)
    better_at_s = reported_at_s = began_s
    better_at_steps = 0
    kept_s = kept_for_exact_s(termination, polish=options.polish)
    shown = run.progress(clock.monotonic_s() - began_s)
    on_progress(shown)
    with run.working():
        while True:
            now_s = clock.monotonic_s()
            seconds = now_s - began_s
            pause_s = min(progress_interval_s, FIRST_PAUSE_S + seconds / 2)
            if now_s - reported_at_s >= pause_s and run.differs(shown):
                shown, reported_at_s = run.progress(seconds), now_s
                on_progress(shown)
            standing = Standing(
                seconds=seconds + kept_s,
                seconds_since_better=now_s - better_at_s,
                steps=run.steps,
                score=run.best_score(),
                steps_since_better=run.steps - better_at_steps,
                gap=run.gap(),
            )
            reason = StopReason.STOPPED if should_stop() else reason_to_stop(termination, standing)
            if reason is None and not len(run.model.movable):
                reason = StopReason.NOTHING_TO_MOVE
            if reason is not None:
                break
            if run.advance(seconds):
                better_at_s, better_at_steps = clock.monotonic_s(), run.steps
    if options.polish:
        end_s = clock.monotonic_s() + (kept_s if reason is StopReason.SECONDS else 0.0)
        run.polish(lambda: 0.0 if should_stop() else end_s - clock.monotonic_s())
    return run.solution(clock.monotonic_s() - began_s, reason)


class _Run:
    """Lanes that search side by side, and a thread that works on the bound."""

    def __init__(
        self, problem: Problem, options: SolveOptions, termination: Termination, start_plan: StartPlan | None
    ) -> None:
        self.problem = problem
        self.model = build_model(problem)
        self.steps = 0
        self._options = options
        self._termination = termination
        self._levels = used_levels(problem)
        self._beginning = begin(problem, self.model, options, start_plan)
        self._best = self._beginning.first
        self._lanes = make_lanes(problem, self._beginning, options, termination, warm=start_plan is not None)
        self._pool = ThreadPoolExecutor(len(self._lanes) + 2, thread_name_prefix="planner-search")
        self._proving: Future[Found | None] | None = None
        self._bound = BoundSearch(problem, self.model)
        self._ended = Event()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Work on the bound while the caller searches; both have ended afterwards."""
        with self._pool:
            rising = self._pool.submit(self._raise_bound)
            # One limited by steps gives the same plan for the same seed: no proof may come early or late.
            if self._termination.steps is None and is_small(self.model):
                self._proving = self._pool.submit(prove, self.model, self._best, self._ended)
            try:
                yield
            finally:
                self._ended.set()
            rising.result()

    def _raise_bound(self) -> None:
        self._bound.first_round()
        while not self._ended.is_set() and not self._bound.settled:
            self._bound.work(BOUND_STEPS)

    def advance(self, seconds: float) -> bool:
        """Let every lane try a batch of moves; tell whether the best plan got better."""
        elapsed, batches = self._elapsed(seconds), self._batches()
        for lane in self._lanes:
            lane.prepare(self._best)
        # The last lane works here: a search of one lane needs no thread but this.
        others: list[Future[None]] = [
            self._pool.submit(lane.advance, moves, elapsed)
            for lane, moves in zip(self._lanes[:-1], batches[:-1], strict=True)
            if moves
        ]
        if batches[-1]:
            self._lanes[-1].advance(batches[-1], elapsed)
        for other in others:
            other.result()
        self.steps += sum(batches)
        best = min((lane.best for lane in self._lanes), key=lambda found: found.cost)
        if (proven := self._take_proof()) is not None:
            best = proven
        if best.cost >= self._best.cost:
            return False
        self._best = best
        return True

    def _take_proof(self) -> Found | None:
        """Return the best plan of all, once it is proven."""
        if self._proving is None or not self._proving.done():
            return None
        proven, self._proving = self._proving.result(), None
        if proven is not None:
            self._bound.prove(proven.cost)
        return proven

    def polish(self, left_s: Callable[[], float]) -> None:
        """Make the best plan better where that takes little."""
        self._best = polish_moves(self.model, self._best, seed=self._options.seed, moves=self.steps)
        self._best = polish_parts(self.model, self._best, seed=self._options.seed, left_s=left_s)

    def _elapsed(self, seconds: float) -> float:
        """Return the part of the search that is over; where steps are limited only they count, for the seed."""
        if self._termination.steps is not None:
            return self.steps / self._termination.steps
        return seconds / (DEFAULT_SECONDS if self._termination.seconds is None else self._termination.seconds)

    def _batches(self) -> list[int]:
        """Return the number of moves each lane tries next."""
        lanes, limit = len(self._lanes), self._termination.steps
        if limit is None:
            return [BATCH_MOVES] * lanes
        size = min(BATCH_MOVES, max(SHORTEST_BATCH, limit // (lanes * FEWEST_BATCHES)))
        left = limit - self.steps
        if left <= 0:
            return [size] * lanes
        return [min(size, (left + lane) // lanes) for lane in range(lanes)]

    def best_score(self) -> Score:
        """Return the score of the best plan, as the search added it up."""
        units = dict.fromkeys(self.problem.levels, 0)
        units.update((level, -cost) for level, cost in zip(self._levels, self._best.cost, strict=True))
        return Score(self.problem.levels, tuple(units.values()), self.problem.decimals)

    def gap(self) -> float | None:
        """Return the proven gap, if the search may end for it; one limited by steps does not end by chance."""
        gap = self._bound.judge(self._best.cost).gap
        if self._termination.steps is not None and self._termination.gap is None:
            return None
        return gap

    def differs(self, shown: Progress) -> bool:
        """Whether the best plan or the bound is better than what was shown."""
        return self.best_score() > shown.score or self._bound.judge(self._best.cost) != shown.optimality

    def progress(self, seconds: float) -> Progress:
        """Return the best plan so far."""
        optimality = self._bound.judge(self._best.cost)
        return Progress(self._best_plan(), self.best_score(), optimality, self.steps, seconds)

    def solution(self, seconds: float, reason: StopReason) -> Solution:
        """Return the best plan, scored from the beginning."""
        plan = self._best_plan()
        score = score_plan(self.problem, plan)
        if score != self.best_score():
            raise RuntimeError(f"the search added up {self.best_score()}, the plan scores {score}")
        optimality = self._bound.judge(self._best.cost)
        return Solution(plan, score, optimality, self.steps, seconds, reason, self._settled_options())

    def _settled_options(self) -> SolveOptions:
        if self._options.search is not SearchKind.LATE_ACCEPTANCE:
            return self._options
        moves = nominal_moves(self._termination, self._options.threads)
        size = late_acceptance_size(self._beginning, self._options, moves)
        return replace(self._options, late_acceptance_size=size)

    def _best_plan(self) -> Plan:
        area = self._best.area
        if areas_interchangeable(self.problem):
            area = assign_areas(self.problem, self._best.start)
        return Plan(frozen_ints(self._best.start), frozen_ints(area))


def assign_areas(problem: Problem, start: IntArray) -> IntArray:
    """Return an area for each device of a problem whose areas are all alike."""
    scope = next((rule.covered_devices(problem) for rule in problem.rules if isinstance(rule, AreaExclusive)), None)
    exclusive = range(len(problem.devices)) if scope is None else [int(device) for device in np.flatnonzero(scope)]
    return colour_areas(start, problem.inspection_days, exclusive, len(problem.areas))
