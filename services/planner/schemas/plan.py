"""A plan, its score and its explanation on the wire."""

import math
from datetime import date
from decimal import Decimal
from typing import Self, TypeAlias

from pydantic import ConfigDict, Field

from services.planner.domain.alternatives import Alternative
from services.planner.domain.explain import Explanation, Subtotal
from services.planner.domain.feasibility import Conflict, ConflictKind
from services.planner.domain.optimality import Optimality
from services.planner.domain.plan import Assignment, InvalidAssignment, InvalidReason, Plan
from services.planner.domain.problem import Problem
from services.planner.domain.rule import BASE_DECIMALS, Match
from services.planner.domain.score import Score, exact_decimal, json_number
from services.planner.schemas.base import AreaId, Body, Name, PlainDate

Points: TypeAlias = int | float
ScoreBody: TypeAlias = dict[str, Points]


class AssignmentBody(Body):
    """Where and when one device is inspected; what else a planned assignment says is not read again."""

    model_config = ConfigDict(extra="ignore")

    device: Name
    start: PlainDate
    area: AreaId | None = None

    def to_assignment(self) -> Assignment:
        """Return the assignment of the domain, unchecked."""
        return Assignment(self.device, self.start, self.area)


class PlanBody(Body):
    """A plan as it is handed in."""

    model_config = ConfigDict(extra="ignore")

    assignments: list[AssignmentBody] = Field(max_length=50_000)

    def to_assignments(self) -> list[Assignment]:
        """Return the assignments of the domain, unchecked."""
        return [entry.to_assignment() for entry in self.assignments]


class PlannedAssignmentBody(Body):
    """One device of a finished plan."""

    device: str
    type: str
    start: PlainDate
    end: PlainDate = Field(description="last day of the inspection")
    area: int | str
    return_interval_days: int = Field(description="calendar days from the previous end to the start")

    @classmethod
    def all_of(cls, problem: Problem, plan: Plan) -> list[Self]:
        """Return the assignments of a plan, in the order of the problem's devices."""
        return [
            cls(
                device=entry.id,
                type=entry.type,
                start=plan.start_date(problem, index),
                end=plan.end_date(problem, index),
                area=problem.areas[plan.area[index]].id,
                return_interval_days=plan.return_interval_days(problem, index),
            )
            for index, entry in enumerate(problem.devices)
        ]


class SubtotalBody(Body):
    """Points of a rule, in all or for one device or month."""

    rule: str
    level: str
    device: str | None = None
    month: str | None = None
    area: str | None = None
    day: PlainDate | None = None
    matches: int
    points: Points


class MatchBody(Body):
    """One place where the plan breaks a rule: points = -weight x base."""

    rule: str
    level: str
    base: Points
    points: Points
    month: str
    devices: list[str]
    day: PlainDate | None
    area: int | str | None

    @classmethod
    def of(cls, match: Match, decimals: int) -> Self:
        """Write a match down."""
        return cls(
            rule=match.rule,
            level=match.level,
            base=json_number(match.base_hundredths, BASE_DECIMALS),
            points=json_number(match.units, decimals),
            month=match.month,
            devices=list(match.devices),
            day=match.day,
            area=match.area,
        )


class AlternativeBody(Body):
    """Another place for the device, all others left where they are, and what the score would change by."""

    start: PlainDate
    area: int | str
    change: ScoreBody = Field(description="below zero where the plan would get worse")
    by_rule: list[SubtotalBody]

    @classmethod
    def of(cls, alternative: Alternative) -> Self:
        """Write an alternative down."""
        decimals = alternative.change.decimals
        return cls(
            start=alternative.start,
            area=alternative.area,
            change=alternative.change.as_numbers(),
            by_rule=[
                SubtotalBody(rule=part.rule, level=part.level, matches=1, points=json_number(part.units, decimals))
                for part in alternative.by_rule
            ],
        )


class ConflictBody(Body):
    """Something no plan can keep."""

    kind: ConflictKind
    rules: list[str]
    devices: list[str] = Field(description="without any one of them the rest could be kept, as far as this reason goes")
    first: PlainDate
    last: PlainDate
    detail: str

    @classmethod
    def of(cls, conflict: Conflict) -> Self:
        """Write a conflict down."""
        return cls(
            kind=conflict.kind,
            rules=list(conflict.rules),
            devices=list(conflict.devices),
            first=conflict.first,
            last=conflict.last,
            detail=conflict.detail,
        )


class ExplanationBody(Body):
    """Every match of a plan, and five ways to add them up, each of which gives `total`."""

    score: ScoreBody
    score_text: str = Field(description="the score with every digit, such as 0hard/-8415.25soft")
    total: ScoreBody = Field(description="of the matches listed: the score, unless filters left some out")
    matches: list[MatchBody]
    by_rule: list[SubtotalBody]
    by_device: list[SubtotalBody] = Field(description="a match of several devices is shared equally among them")
    by_month: list[SubtotalBody]
    by_area: list[SubtotalBody] = Field(description="a match without an area counts where all its devices are")
    by_day: list[SubtotalBody]
    alternatives: list[AlternativeBody] = Field(
        description="with a `device`: the best other places for it, each with what it would cost"
    )

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        """Write an explanation down."""
        decimals = explanation.score.decimals
        return cls(
            score=explanation.score.as_numbers(),
            score_text=str(explanation.score),
            total=explanation.total.as_numbers(),
            matches=[MatchBody.of(match, decimals) for match in explanation.matches],
            by_rule=subtotals_by_rule(explanation),
            by_device=[_subtotal(entry, decimals, device=entry.part) for entry in explanation.by_device],
            by_month=[_subtotal(entry, decimals, month=entry.part) for entry in explanation.by_month],
            by_area=[_subtotal(entry, decimals, area=entry.part) for entry in explanation.by_area],
            by_day=[_subtotal(entry, decimals, day=entry.part) for entry in explanation.by_day],
            alternatives=[AlternativeBody.of(entry) for entry in explanation.alternatives],
        )


class InvalidAssignmentBody(Body):
    """One thing that keeps the assignments from being a plan."""

    device: str
    reason: InvalidReason
    detail: str
    index: int | None = Field(description="place among the assignments; none for a device that has no assignment")

    @classmethod
    def of(cls, invalid: InvalidAssignment) -> Self:
        """Write it down."""
        return cls(device=invalid.device, reason=invalid.reason, detail=invalid.detail, index=invalid.index)


class ScoringBody(Body):
    """The score of a plan made elsewhere; a plan that is not valid is not scored."""

    valid: bool
    invalid: list[InvalidAssignmentBody]
    assignments: list[PlannedAssignmentBody] = Field(description="with end and return interval; empty if not valid")
    score: ScoreBody | None
    score_text: str | None
    explanation: ExplanationBody | None

    @classmethod
    def of_invalid(cls, invalid: tuple[InvalidAssignment, ...]) -> Self:
        """Say why there is no score."""
        return cls(
            valid=False,
            invalid=[InvalidAssignmentBody.of(entry) for entry in invalid],
            assignments=[],
            score=None,
            score_text=None,
            explanation=None,
        )

    @classmethod
    def of_plan(cls, problem: Problem, plan: Plan, explanation: Explanation) -> Self:
        """Write the score of a valid plan down."""
        return cls(
            valid=True,
            invalid=[],
            assignments=PlannedAssignmentBody.all_of(problem, plan),
            score=explanation.score.as_numbers(),
            score_text=str(explanation.score),
            explanation=ExplanationBody.of(explanation),
        )


def subtotals_by_rule(explanation: Explanation) -> list[SubtotalBody]:
    """Return the points of each rule that costs any."""
    return [_subtotal(entry, explanation.score.decimals) for entry in explanation.by_rule]


def points_of_bound(optimality: Optimality) -> Points | None:
    """Return the bound as a JSON number; a float may be a trifle off, and then never above the bound."""
    if optimality.bound_units is None:
        return None
    points = json_number(optimality.bound_units, optimality.decimals)
    exact = exact_decimal(optimality.bound_units, optimality.decimals)
    return points if Decimal(points) <= exact else math.nextafter(points, -math.inf)


def score_of(levels: tuple[str, ...], points: ScoreBody, decimals: int) -> Score:
    """Return a score from points by level; levels left out are 0."""
    return Score(levels, tuple(round(points.get(level, 0) * 10**decimals) for level in levels), decimals)


def _subtotal(
    entry: Subtotal,
    decimals: int,
    *,
    device: str | None = None,
    month: str | None = None,
    area: str | None = None,
    day: str | None = None,
) -> SubtotalBody:
    return SubtotalBody(
        rule=entry.rule,
        level=entry.level,
        device=device,
        month=month,
        area=area,
        day=None if day is None else date.fromisoformat(day),
        matches=entry.matches,
        points=json_number(entry.units, decimals),
    )
