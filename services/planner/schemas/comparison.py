"""Two plans side by side, on the wire."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from services.planner.domain.calendar import HolidaySource
from services.planner.domain.compare import Better, Comparison, DeviceDifference, NamedPlan, PlacedDevice
from services.planner.domain.plan import PlanInvalid, find_invalid, make_plan
from services.planner.schemas.base import Body, Name, PlainDate
from services.planner.schemas.plan import PlanBody, Points, ScoreBody
from services.planner.schemas.problem import ProblemBody
from services.planner.schemas.rules import Weight


class PlanSourceBody(Body):
    """A plan to compare: its id (alone, as a text, or as `id`), or a plan made elsewhere with its problem."""

    id: Name | None = None
    name: Name | None = Field(None, description="what the plan is called in the comparison")
    problem: ProblemBody | None = None
    plan: PlanBody | None = None

    @model_validator(mode="before")
    @classmethod
    def _an_id_alone(cls, given: object) -> object:
        return {"id": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        inline = self.problem is not None and self.plan is not None
        if inline == (self.id is not None) or (self.problem is None) != (self.plan is None):
            raise PydanticCustomError("plan_source", "a plan is named by its id, or given as a problem and a plan")
        return self

    def assets(self) -> list[str | None]:
        """Return the asset of each device of a plan that was given."""
        return [] if self.problem is None else [device.asset for device in self.problem.devices]

    def to_plan(self, holidays: HolidaySource, pointer: str) -> NamedPlan:
        """Return the plan that was given.

        Raises
        ------
        ProblemInvalid, CountryUnknown, CalendarTooShort
            As the problem says.
        PlanInvalid
            If the assignments are not a plan of the problem.
        """
        if self.problem is None or self.plan is None:
            raise ValueError("a plan named by its id has to be looked up")
        problem = self.problem.to_problem(holidays, f"{pointer}/problem")
        assignments = self.plan.to_assignments()
        if invalid := find_invalid(problem, assignments):
            raise PlanInvalid(invalid, f"{pointer}/plan")
        return NamedPlan(self.name or problem.name or pointer, problem, make_plan(problem, assignments))


class CompareRequest(Body):
    """The older plan and the newer one."""

    plans: list[PlanSourceBody] = Field(min_length=2, max_length=2)
    cost_per_soft_point: Annotated[Weight | None, Field(description="money a point of the last level costs")] = None


class SavingBody(Body):
    """What the second plan saves; below zero where it costs more."""

    soft_points: Points = Field(description="points of the last level the second plan is better by")
    cost_per_soft_point: Points
    amount: Points


class RuleDifferenceBody(Body):
    """Points of a rule in both plans; none where the problem of a plan has no such rule."""

    rule: str
    level: str
    first: Points | None
    second: Points | None
    difference: Points = Field(description="above zero where the second plan is better")


class PlacedDeviceBody(Body):
    """Where a plan has the device, and its share of the points."""

    start: PlainDate
    end: PlainDate
    area: int | str
    return_interval_days: int
    points: ScoreBody

    @classmethod
    def of(cls, placed: PlacedDevice) -> Self:
        """Write it down."""
        return cls(
            start=placed.start,
            end=placed.end,
            area=placed.area,
            return_interval_days=placed.return_interval_days,
            points=_numbers(placed.points),
        )


class DeviceDifferenceBody(Body):
    """A device in both plans; none where a plan does not have it."""

    device: str
    type: str
    first: PlacedDeviceBody | None
    second: PlacedDeviceBody | None
    moved_days: int | None = Field(description="calendar days from the first start to the second")

    @classmethod
    def of(cls, entry: DeviceDifference) -> Self:
        """Write it down."""
        return cls(
            device=entry.device,
            type=entry.type,
            first=None if entry.first is None else PlacedDeviceBody.of(entry.first),
            second=None if entry.second is None else PlacedDeviceBody.of(entry.second),
            moved_days=entry.moved_days,
        )


class ComparedPlanBody(Body):
    """One of the two plans."""

    id: str | None
    name: str
    score: ScoreBody
    score_text: str


class ComparisonBody(Body):
    """Two plans side by side."""

    plans: list[ComparedPlanBody]
    better: Better
    warning: str | None = Field(description="says so where the first, older plan is the better one")
    notes: list[str] = Field(description="what the plans do not have in common")
    difference: ScoreBody = Field(description="points the second plan is better by")
    saving: SavingBody | None = Field(description="if a cost per point was given")
    by_rule: list[RuleDifferenceBody]
    by_device: list[DeviceDifferenceBody]

    @classmethod
    def of(cls, comparison: Comparison, sources: list[PlanSourceBody]) -> Self:
        """Write a comparison down; `sources` say which plans have an id."""
        saving = comparison.saving
        return cls(
            plans=[
                ComparedPlanBody(id=source.id, name=name, score=score.as_numbers(), score_text=str(score))
                for source, name, score in zip(sources, comparison.names, comparison.scores, strict=True)
            ],
            better=comparison.better,
            warning=comparison.warning,
            notes=list(comparison.notes),
            difference={level: _number(comparison.difference(level)) for level in comparison.scores[0].levels},
            saving=None
            if saving is None
            else SavingBody(
                soft_points=_number(saving.points),
                cost_per_soft_point=_number(saving.cost_per_point),
                amount=_number(saving.amount),
            ),
            by_rule=[
                RuleDifferenceBody(
                    rule=entry.rule,
                    level=entry.level,
                    first=None if entry.first is None else _number(entry.first),
                    second=None if entry.second is None else _number(entry.second),
                    difference=_number(entry.difference),
                )
                for entry in comparison.by_rule
            ],
            by_device=[DeviceDifferenceBody.of(entry) for entry in comparison.by_device],
        )


def _number(value: Decimal) -> Points:
    return int(value) if value == value.to_integral_value() else float(value)


def _numbers(points: Mapping[str, Decimal]) -> ScoreBody:
    return {level: _number(value) for level, value in points.items()}
