"""The planner for use in process: the worker, the command line and the tests all call this."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from services.planner.adapters.public_holidays import PackagedHolidays
from services.planner.domain.explain import Explanation
from services.planner.domain.explain import explain as explain_plan
from services.planner.domain.plan import Assignment, InvalidAssignment, Plan, find_invalid, make_plan
from services.planner.domain.problem import Problem, ProblemInvalid
from services.planner.domain.score import Score
from services.planner.schemas.faults import faults_of
from services.planner.schemas.plan import PlanBody, score_of
from services.planner.schemas.problem import parse_problem
from services.planner.schemas.solve import SolverBody, TerminationBody
from services.planner.solver.options import SolveOptions
from services.planner.solver.solve import Progress, Solution
from services.planner.solver.solve import solve as run_search
from services.planner.solver.termination import StopReason, Termination
from services.planner.solver.warm_up import keep_search_compiled
from services.planner.solver.warm_up import warm_up as compile_search
from shared.clock import Clock, SystemClock

DEFAULT_OPTIONS: Final = SolveOptions()
DEFAULT_TERMINATION: Final = Termination()

__all__ = [
    "Progress",
    "Scoring",
    "SolveOptions",
    "SolvedPlan",
    "StopReason",
    "Termination",
    "explain",
    "keep_compiled",
    "read_options",
    "read_problem",
    "read_termination",
    "score",
    "solve",
    "warm_up",
]


@dataclass(frozen=True, slots=True)
class SolvedPlan:
    """A problem and the plan found for it."""

    problem: Problem
    plan: Plan
    score: Score
    steps: int
    seconds: float
    stopped_because: StopReason
    options: SolveOptions

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """Start and area of every device."""
        return self.plan.assignments(self.problem)


@dataclass(frozen=True, slots=True)
class Scoring:
    """The score of assignments made elsewhere: `explanation` if they are a plan, otherwise what is `invalid`."""

    problem: Problem
    invalid: tuple[InvalidAssignment, ...]
    plan: Plan | None
    explanation: Explanation | None


def read_problem(document: object) -> Problem:
    """Read a problem from JSON data; a `Problem` is returned as it is.

    Raises
    ------
    ProblemInvalid
        With every fault and its JSON pointer.
    """
    return document if isinstance(document, Problem) else parse_problem(document, PackagedHolidays())


def solve(
    problem: Mapping[str, object] | Problem,
    *,
    options: SolveOptions = DEFAULT_OPTIONS,
    termination: Termination = DEFAULT_TERMINATION,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    clock: Clock | None = None,
) -> SolvedPlan:
    """Search for a plan.

    Parameters
    ----------
    problem
        The problem, or its JSON.
    options, termination
        How, and for how long; late acceptance of automatic length for 60 s unless told.
    on_progress
        Called with better plans, at most once a second.
    should_stop
        Asked about every 10 ms; the best plan so far is the result.
    clock
        The machine's, unless told.

    Raises
    ------
    ProblemInvalid
        If the problem cannot be read.
    ProblemTooLarge, WeightsTooLarge
        If the search cannot hold or add up what the problem asks for.
    """
    read = read_problem(problem)
    found: Solution = run_search(
        read,
        options=options,
        termination=termination,
        clock=SystemClock() if clock is None else clock,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    return SolvedPlan(
        problem=read,
        plan=found.plan,
        score=found.score,
        steps=found.steps,
        seconds=found.seconds,
        stopped_because=found.stopped_because,
        options=found.options,
    )


def score(problem: Mapping[str, object] | Problem, plan: Mapping[str, object] | Plan) -> Scoring:
    """Score a plan made elsewhere.

    Raises
    ------
    ProblemInvalid
        If the problem or the JSON of the plan cannot be read; assignments that are read but wrong are in the result.
    """
    read = read_problem(problem)
    if isinstance(plan, Plan):
        return Scoring(read, (), plan, explain_plan(read, plan))
    assignments = _read_assignments(plan)
    invalid = find_invalid(read, assignments)
    if invalid:
        return Scoring(read, invalid, None, None)
    made = make_plan(read, assignments)
    return Scoring(read, (), made, explain_plan(read, made))


def explain(
    problem: Mapping[str, object] | Problem,
    plan: Mapping[str, object] | Plan,
    *,
    device: str | None = None,
    rule: str | None = None,
    month: str | None = None,
) -> Explanation:
    """Explain the score of a plan: its matches, chosen by filters, and their sums.

    Raises
    ------
    ProblemInvalid
        If the problem or the JSON of the plan cannot be read.
    PlanInvalid
        If the assignments are not a plan of the problem.
    FilterUnknown
        If the problem has no such device, rule or month.
    """
    read = read_problem(problem)
    made = plan if isinstance(plan, Plan) else make_plan(read, _read_assignments(plan))
    return explain_plan(read, made, device=device, rule=rule, month=month)


def read_options(body: SolverBody) -> SolveOptions:
    """Return the options of a request."""
    return SolveOptions(late_acceptance_size=body.late_acceptance_size, seed=body.seed)


def read_termination(body: TerminationBody, problem: Problem) -> Termination:
    """Return the limits of a request; a wanted score is about the problem's levels."""
    wanted = None
    if body.best_score is not None:
        wanted = score_of(problem.levels, body.best_score, problem.decimals)
    return Termination(
        seconds=body.seconds,
        unimproved_seconds=body.unimproved_seconds,
        best_score=wanted,
        steps=body.steps,
    )


def keep_compiled(cache_dir: Path) -> bool:
    """Keep the compiled search in a folder and take it from there; tell whether that is possible."""
    return keep_search_compiled(cache_dir)


def warm_up(cache_dir: Path | None = None) -> bool:
    """Compile the search, so that the first plan does not wait for it; tell whether compiled code is kept."""
    return compile_search(SystemClock(), cache_dir)


def _read_assignments(document: Mapping[str, object]) -> list[Assignment]:
    try:
        return PlanBody.model_validate(document).to_assignments()
    except ValidationError as error:
        raise ProblemInvalid(faults_of(error)) from None
