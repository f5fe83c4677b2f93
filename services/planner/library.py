"""The planner for use in process: the worker, the command line and the tests all call this."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from services.planner.adapters.public_holidays import PackagedHolidays
from services.planner.domain.explain import Explanation
from services.planner.domain.explain import explain as explain_plan
from services.planner.domain.feasibility import Conflict
from services.planner.domain.feasibility import find_conflicts as conflicts_of
from services.planner.domain.optimality import Optimality
from services.planner.domain.plan import Assignment, InvalidAssignment, Plan, find_invalid, make_plan
from services.planner.domain.plan_report import FileFormat, FoundAt, History, Language, PlanReport
from services.planner.domain.problem import Problem, ProblemInvalid
from services.planner.domain.score import Score, json_number
from services.planner.exports.calendar_file import write_ics
from services.planner.exports.page import write_page
from services.planner.exports.plan_table import write_csv
from services.planner.schemas.faults import faults_of
from services.planner.schemas.plan import ConflictBody, PlanBody, PlannedAssignmentBody, points_of_bound, score_of
from services.planner.schemas.problem import parse_problem
from services.planner.schemas.solve import SolverBody, TerminationBody
from services.planner.schemas.workbook import ReadWorkbook, parse_workbook
from services.planner.solver.begin import StartPlan, start_plan_of
from services.planner.solver.options import (
    AnnealingOptions,
    Construction,
    Priority,
    SearchKind,
    SolveOptions,
    TabuOptions,
)
from services.planner.solver.solve import Progress, Solution
from services.planner.solver.solve import solve as run_search
from services.planner.solver.termination import Combine, StopReason, Termination
from services.planner.solver.warm_up import keep_search_compiled
from services.planner.solver.warm_up import warm_up as compile_search
from services.planner.workbook.result import write_result
from services.planner.workbook.template import write_template
from shared.clock import Clock, SystemClock

DEFAULT_OPTIONS: Final = SolveOptions()
DEFAULT_TERMINATION: Final = Termination()

__all__ = [
    "AnnealingOptions",
    "Combine",
    "Construction",
    "FileFormat",
    "History",
    "Language",
    "Priority",
    "Problem",
    "Progress",
    "ReadWorkbook",
    "Scoring",
    "SearchKind",
    "SolveOptions",
    "SolvedPlan",
    "StopReason",
    "TabuOptions",
    "Termination",
    "explain",
    "find_conflicts",
    "found_at",
    "keep_compiled",
    "plan_document",
    "plan_file",
    "read_options",
    "read_problem",
    "read_termination",
    "read_workbook",
    "score",
    "solve",
    "template",
    "warm_up",
]


@dataclass(frozen=True, slots=True)
class SolvedPlan:
    """A problem and the plan found for it."""

    problem: Problem
    plan: Plan
    score: Score
    optimality: Optimality
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
    start_plan: Plan | Sequence[Assignment] | Mapping[str, object] | None = None,
    clock: Clock | None = None,
) -> SolvedPlan:
    """Search for a plan.

    Parameters
    ----------
    problem
        The problem, or its JSON.
    options, termination
        How, and for how long; a portfolio of searches for 60 s unless told.
    on_progress
        Called with better plans, at most once a second but for the first few.
    should_stop
        Asked about every 15 ms; the best plan so far is the result.
    start_plan
        Where the search begins: a plan, its assignments or its JSON, which may leave devices out.
    clock
        The machine's, unless told.

    Raises
    ------
    ProblemInvalid
        If the problem cannot be read.
    ProblemTooLarge, WeightsTooLarge
        If the search cannot hold or add up what the problem asks for.
    PlanInvalid
        If an assignment of the start plan is not possible.
    """
    read = read_problem(problem)
    found: Solution = run_search(
        read,
        options=options,
        termination=termination,
        clock=SystemClock() if clock is None else clock,
        on_progress=on_progress,
        should_stop=should_stop,
        start_plan=None if start_plan is None else _read_start(read, start_plan),
    )
    return SolvedPlan(
        problem=read,
        plan=found.plan,
        score=found.score,
        optimality=found.optimality,
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
    area: str | None = None,
    day: date | None = None,
) -> Explanation:
    """Explain the score of a plan: its matches, chosen by filters, and their sums.

    Raises
    ------
    ProblemInvalid
        If the problem or the JSON of the plan cannot be read.
    PlanInvalid
        If the assignments are not a plan of the problem.
    FilterUnknown
        If the problem has no such device, rule, month, area or day.
    """
    read = read_problem(problem)
    made = plan if isinstance(plan, Plan) else make_plan(read, _read_assignments(plan))
    return explain_plan(read, made, device=device, rule=rule, month=month, area=area, day=day)


def find_conflicts(problem: Mapping[str, object] | Problem) -> tuple[Conflict, ...]:
    """Return what no plan can keep, before any search.

    Raises
    ------
    ProblemInvalid
        If the problem cannot be read.
    """
    return conflicts_of(read_problem(problem))


def read_options(body: SolverBody) -> SolveOptions:
    """Return the options of a request."""
    return SolveOptions(
        construction=Construction(body.construction),
        priority=tuple(Priority(entry) for entry in body.priority),
        search=SearchKind(body.search),
        late_acceptance_size=body.late_acceptance_size,
        accepted_count_limit=body.accepted_count_limit,
        tabu=TabuOptions(body.tabu.entity_size, body.tabu.value_size),
        annealing=AnnealingOptions(body.annealing.start_temperature),
        polish=body.polish,
        seed=body.seed,
        threads=body.threads,
    )


def read_termination(body: TerminationBody, problem: Problem, *, longest_seconds: float | None = None) -> Termination:
    """Return the limits of a request; a wanted score is about the problem's levels."""
    wanted = None
    if body.best_score is not None:
        wanted = score_of(problem.levels, body.best_score, problem.decimals)
    return Termination(
        seconds=body.seconds,
        unimproved_seconds=body.unimproved_seconds,
        best_score=wanted,
        gap=body.gap,
        steps=body.steps,
        unimproved_steps=body.unimproved_steps,
        combine=Combine(body.combine),
        longest_seconds=longest_seconds,
    )


def plan_document(solved: SolvedPlan) -> dict[str, object]:
    """Return a plan as JSON: `assignments` as the API shows them, `score`, `bound`, `gap` and how the search went."""
    return {
        "name": solved.problem.name,
        "assignments": [
            entry.model_dump(mode="json") for entry in PlannedAssignmentBody.all_of(solved.problem, solved.plan)
        ],
        "score": solved.score.as_numbers(),
        "score_text": str(solved.score),
        "bound": points_of_bound(solved.optimality),
        "gap": solved.optimality.gap,
        "bound_reason": solved.optimality.reason,
        "conflicts": [ConflictBody.of(entry).model_dump(mode="json") for entry in find_conflicts(solved.problem)],
        "seed": solved.options.seed,
        "iterations": solved.steps,
        "seconds": round(solved.seconds, 3),
        "stopped_because": solved.stopped_because.value,
    }


def read_workbook(content: bytes) -> ReadWorkbook:
    """Read a workbook: its problem, and the made plan if there is one in it.

    Raises
    ------
    WorkbookUnreadable, WorkbookTooLarge
        If it cannot be parsed, or should not be.
    WorkbookInvalid
        With every fault and its sheet, row and column.
    """
    return parse_workbook(content, PackagedHolidays())


def template(language: Language = Language.JAPANESE) -> bytes:
    """Return a workbook to fill in."""
    return write_template(language)


def found_at(shown: Progress | SolvedPlan) -> FoundAt:
    """Return how far a search is, for the history of the plan."""
    optimality = shown.optimality
    cost = json_number(optimality.cost_units, optimality.decimals)
    return FoundAt(round(shown.seconds, 3), cost, points_of_bound(optimality))


def plan_file(
    solved: SolvedPlan,
    form: FileFormat,
    *,
    history: Sequence[FoundAt] = (),
    assets: Sequence[str | None] = (),
    language: Language = Language.JAPANESE,
) -> bytes:
    """Return a plan as a file.

    Parameters
    ----------
    solved
        The plan.
    form
        Workbook, CSV, calendar or page.
    history
        How the search came there, for the page.
    assets
        Of each device, if known, for the workbook.
    language
        Of the workbook.
    """
    report = PlanReport(
        id="",
        problem=solved.problem,
        plan=solved.plan,
        explanation=explain_plan(solved.problem, solved.plan),
        bound=points_of_bound(solved.optimality),
        gap=solved.optimality.gap,
        bound_reason=solved.optimality.reason,
        iterations=solved.steps,
        seconds=solved.seconds,
        stopped_because=solved.stopped_because.value,
        history=history,
    )
    match form:
        case FileFormat.XLSX:
            return write_result(report, language, assets=assets)
        case FileFormat.CSV:
            return write_csv(report)
        case FileFormat.ICS:
            return write_ics(report, now=SystemClock().now())
        case FileFormat.HTML:
            return write_page(report).encode()


def keep_compiled(cache_dir: Path) -> bool:
    """Keep the compiled search in a folder and take it from there; tell whether that is possible."""
    return keep_search_compiled(cache_dir)


def warm_up(cache_dir: Path | None = None) -> bool:
    """Compile the search, so that the first plan does not wait for it; tell whether compiled code is kept."""
    return compile_search(SystemClock(), cache_dir)


def _read_start(problem: Problem, given: Plan | Sequence[Assignment] | Mapping[str, object]) -> StartPlan:
    if isinstance(given, Plan):
        return StartPlan(given.start, given.area)
    assignments = _read_assignments(given) if isinstance(given, Mapping) else given
    return start_plan_of(problem, assignments)


def _read_assignments(document: Mapping[str, object]) -> list[Assignment]:
    try:
        return PlanBody.model_validate(document).to_assignments()
    except ValidationError as error:
        raise ProblemInvalid(faults_of(error)) from None
