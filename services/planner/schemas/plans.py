"""Asking for plans, and the answers, on the wire."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Self, TypeAlias

from pydantic import Field, PlainSerializer

from services.planner.domain.calendar import HolidaySource
from services.planner.domain.compare import Comparison, NamedPlan
from services.planner.domain.explain import explain
from services.planner.domain.plan import Plan, check_start, make_plan
from services.planner.domain.plan_desk import PlanOrder, PlanView
from services.planner.domain.plan_records import PlanNotFound, PlanPage, PlanRecord, PlanSummary
from services.planner.domain.plan_report import FoundAt, PlanReport
from services.planner.domain.problem import Problem
from services.planner.schemas.base import Body
from services.planner.schemas.plan import ConflictBody, PlanBody, PlannedAssignmentBody, Points, ScoreBody, SubtotalBody
from services.planner.schemas.problem import ProblemBody
from services.planner.schemas.solve import CombineName, SolverBody, TerminationBody
from shared.clock import rfc3339
from shared.contracts.job import JobState

NO_PLAN_YET = "no plan has been found yet"

Moment: TypeAlias = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]


class PlanRequest(Body):
    """What to plan, how to search and when to stop."""

    problem: ProblemBody
    solver: SolverBody = SolverBody()
    termination: TerminationBody = TerminationBody()
    start_plan: PlanBody | None = Field(None, description="where the search begins; it may leave devices out")
    use_inspections: bool = Field(
        default=False,
        strict=True,
        description="the later of `previous_end` and the device's last recorded inspection before the horizon counts",
    )

    def with_previous_ends(self, ends: Mapping[tuple[str, str | None], date]) -> Self:
        """Return the same request with the later of each previous end and the one recorded for (device, asset)."""
        devices = [
            device.model_copy(update={"previous_end": max(device.previous_end, recorded)})
            if (recorded := ends.get((device.id, device.asset))) is not None
            else device
            for device in self.problem.devices
        ]
        problem = self.problem.model_copy(update={"devices": devices})
        return self.model_copy(update={"problem": problem, "use_inspections": False})

    def to_order(self, holidays: HolidaySource) -> PlanOrder:
        """Return the request of the domain.

        Raises
        ------
        ProblemInvalid, CountryUnknown, CalendarTooShort
            As the problem says.
        PlanInvalid
            If an assignment of the start plan is not possible.
        """
        settled = self.model_copy(update={"problem": self.problem.settled(holidays)})
        problem = settled.problem.to_problem(holidays, "/problem")
        if self.start_plan is not None:
            check_start(problem, self.start_plan.to_assignments(), "/start_plan")
        return PlanOrder(
            problem=problem,
            assets=[device.asset for device in self.problem.devices],
            seconds=self.termination.seconds,
            request=settled.model_dump(mode="json", by_alias=True),
            open_ended=self.termination.combine is CombineName.ALL,
        )


class ScoreRequest(Body):
    """A plan made by hand or last year, and the problem it is for."""

    problem: ProblemBody
    plan: PlanBody


class FoundAtBody(Body):
    """How far the search was at one moment."""

    seconds: float = Field(description="time since it began [s]")
    cost: Points = Field(description="points of the last level of the best plan, the sign turned")
    bound: Points | None


class FoundBody(Body):
    """What the search has found so far, or ended with."""

    score: ScoreBody
    score_text: str = Field(description="the score with every digit, such as 0hard/0medium/-8415soft")
    score_by_rule: list[SubtotalBody]
    solver: SolverBody = Field(description="with the size that `auto` came to")
    iterations: int = Field(description="moves tried")
    seconds: float = Field(description="time of the search [s]")
    bound: Points | None = Field(
        None, description="cost of the last level that no plan goes below, among those with the best earlier levels"
    )
    gap: float | None = Field(None, description="part of the cost that a better plan could save at most; 0 is optimal")
    bound_reason: str | None = Field(None, description="why there is no bound")
    conflicts: list[ConflictBody] = Field([], description="what no plan can keep, found before the search")
    stopped_because: str | None = Field(description="why the search ended; none while it goes on")
    history: list[FoundAtBody] = Field([], description="how it came there, oldest first")


class PlanSummaryBody(Body):
    """A kept plan in a list."""

    id: str
    name: str
    owner: str
    created_at: Moment
    updated_at: Moment
    finished: bool
    score: ScoreBody | None
    score_text: str | None

    @classmethod
    def of(cls, plan: PlanSummary) -> Self:
        """Write a summary down."""
        found = None if plan.found is None else FoundBody.model_validate(plan.found)
        return cls(
            id=plan.id,
            name=plan.name,
            owner=plan.owner,
            created_at=plan.created_at,
            updated_at=plan.updated_at,
            finished=plan.finished,
            score=None if found is None else found.score,
            score_text=None if found is None else found.score_text,
        )


class PlanListBody(Body):
    """A part of the list of plans, newest first."""

    items: list[PlanSummaryBody]
    next_cursor: str | None

    @classmethod
    def of(cls, page: PlanPage, reachable: tuple[PlanSummary, ...]) -> Self:
        """Write down what the caller may see of a page."""
        return cls(items=[PlanSummaryBody.of(plan) for plan in reachable], next_cursor=page.next_cursor)


class PlanResponse(PlanSummaryBody):
    """A plan so far or final; what the search has not found yet is empty."""

    state: JobState = Field(description="of the search")
    score_by_rule: list[SubtotalBody]
    assignments: list[PlannedAssignmentBody]
    solver: SolverBody
    termination: TerminationBody
    iterations: int
    seconds: float
    bound: Points | None
    gap: float | None
    bound_reason: str | None
    conflicts: list[ConflictBody]
    stopped_because: str | None

    @classmethod
    def of_view(cls, view: PlanView) -> Self:
        """Write a plan down."""
        summary, request = view.plan.summary, view.plan.request
        found = None if summary.found is None else FoundBody.model_validate(summary.found)
        return cls(
            **PlanSummaryBody.of(summary).model_dump(),
            state=view.state,
            score_by_rule=[] if found is None else found.score_by_rule,
            assignments=[PlannedAssignmentBody.model_validate(entry) for entry in view.plan.assignments or ()],
            solver=SolverBody.model_validate(request["solver"]) if found is None else found.solver,
            termination=TerminationBody.model_validate(request["termination"]),
            iterations=0 if found is None else found.iterations,
            seconds=0.0 if found is None else found.seconds,
            bound=None if found is None else found.bound,
            gap=None if found is None else found.gap,
            bound_reason=NO_PLAN_YET if found is None else found.bound_reason,
            conflicts=[] if found is None else found.conflicts,
            stopped_because=None if found is None else found.stopped_because,
        )


def read_kept(record: PlanRecord, holidays: HolidaySource) -> tuple[Problem, Plan]:
    """Return a kept plan and its problem as the domain has them.

    Raises
    ------
    PlanNotFound
        If no plan has been found yet.
    """
    if record.assignments is None:
        raise PlanNotFound(record.summary.id)
    problem = ProblemBody.model_validate(record.request["problem"]).to_problem(holidays)
    plan = PlanBody.model_validate({"assignments": list(record.assignments)})
    return problem, make_plan(problem, plan.to_assignments())


def named_plan(record: PlanRecord, holidays: HolidaySource, name: str | None = None) -> NamedPlan:
    """Return a kept plan under a name: the given one, its problem's, or its id.

    Raises
    ------
    PlanNotFound
        If no plan has been found yet.
    """
    problem, plan = read_kept(record, holidays)
    return NamedPlan(name or problem.name or record.summary.id, problem, plan)


def assets_of(record: PlanRecord) -> list[str | None]:
    """Return the asset of each device of a kept plan."""
    return [device.asset for device in ProblemBody.model_validate(record.request["problem"]).devices]


def report_of(record: PlanRecord, holidays: HolidaySource, comparison: Comparison | None = None) -> PlanReport:
    """Return what files about a kept plan show.

    Raises
    ------
    PlanNotFound
        If no plan has been found yet.
    """
    problem, plan = read_kept(record, holidays)
    found = FoundBody.model_validate(record.summary.found)
    return PlanReport(
        id=record.summary.id,
        problem=problem,
        plan=plan,
        explanation=explain(problem, plan),
        bound=found.bound,
        gap=found.gap,
        bound_reason=found.bound_reason,
        iterations=found.iterations,
        seconds=found.seconds,
        stopped_because=found.stopped_because,
        history=tuple(FoundAt(entry.seconds, entry.cost, entry.bound) for entry in found.history),
        comparison=comparison,
    )
