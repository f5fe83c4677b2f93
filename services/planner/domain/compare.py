"""Two plans side by side: rule by rule, device by device, and what the difference is worth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from services.planner.domain.explain import Subtotal, explain
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem
from services.planner.domain.rule import Rule
from services.planner.domain.score import Score, exact_decimal
from shared.errors import AppError, Kind

_NOTHING = Decimal(0)


class PlansNotComparable(AppError):
    """The scores of the two plans have different levels."""

    kind, code = Kind.INVALID, "planner.plans_not_comparable"

    def __init__(self, first: Sequence[str], second: Sequence[str]) -> None:
        super().__init__(
            f"the score of one plan has the levels {list(first)}, that of the other {list(second)}",
            first=list(first),
            second=list(second),
        )


class Better(StrEnum):
    """Which of two plans has the better score."""

    FIRST = "first"
    SECOND = "second"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True, eq=False)
class NamedPlan:
    """A plan, the problem it is for, and what people call it."""

    name: str
    problem: Problem
    plan: Plan


@dataclass(frozen=True, slots=True)
class Saving:
    """What the second plan saves on the last level.

    Parameters
    ----------
    level
        Name of the last level.
    points
        Points the second plan is better by, negative where it is worse.
    cost_per_point
        What a point costs [money].
    """

    level: str
    points: Decimal
    cost_per_point: Decimal

    @property
    def amount(self) -> Decimal:
        """Money saved; negative where the second plan costs more.

        Examples
        --------
        >>> Saving("soft", Decimal(-6979) - Decimal(-10426), Decimal(20_000)).amount
        Decimal('68940000')
        """
        return self.points * self.cost_per_point


@dataclass(frozen=True, slots=True)
class RuleDifference:
    """Points of one rule in both plans; `None` where the problem of a plan has no such rule."""

    rule: str
    level: str
    first: Decimal | None
    second: Decimal | None

    @property
    def difference(self) -> Decimal:
        """Points the second plan is better by."""
        return (self.second or _NOTHING) - (self.first or _NOTHING)


@dataclass(frozen=True, slots=True)
class PlacedDevice:
    """Where one plan has a device, and its points by level."""

    start: date
    end: date
    area: int | str
    return_interval_days: int
    points: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class DeviceDifference:
    """One device in both plans; `None` where a plan does not have it."""

    device: str
    type: str
    first: PlacedDevice | None
    second: PlacedDevice | None

    @property
    def moved_days(self) -> int | None:
        """Calendar days from the first plan's start to the second's; `None` if a plan does not have the device."""
        if self.first is None or self.second is None:
            return None
        return (self.second.start - self.first.start).days


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two plans side by side.

    Parameters
    ----------
    names, scores
        Of the first and the second plan.
    better
        Which has the better score, level by level.
    warning
        A sentence where the first, older plan is the better one.
    notes
        What the plans do not have in common, so that their scores mean different things.
    saving
        In money, if a cost per point was given.
    by_rule, by_device
        Rules in the order of the second problem and then those only the first has; devices likewise.
    """

    names: tuple[str, str]
    scores: tuple[Score, Score]
    better: Better
    warning: str | None
    notes: tuple[str, ...]
    saving: Saving | None
    by_rule: tuple[RuleDifference, ...]
    by_device: tuple[DeviceDifference, ...]

    def difference(self, level: str) -> Decimal:
        """Return the points of a level the second plan is better by."""
        return self.scores[1].points(level) - self.scores[0].points(level)


def compare_plans(first: NamedPlan, second: NamedPlan, cost_per_point: Decimal | None = None) -> Comparison:
    """Compare an older plan with a newer one.

    Parameters
    ----------
    first, second
        The older and the newer plan; their problems may differ.
    cost_per_point
        What a point of the last level costs [money].

    Raises
    ------
    PlansNotComparable
        If their scores have different levels.
    """
    levels = second.problem.levels
    if first.problem.levels != levels:
        raise PlansNotComparable(first.problem.levels, levels)
    explained = (explain(first.problem, first.plan), explain(second.problem, second.plan))
    scores = (explained[0].score, explained[1].score)
    better = _better(scores, levels)
    saved = scores[1].points(levels[-1]) - scores[0].points(levels[-1])
    return Comparison(
        names=(first.name, second.name),
        scores=scores,
        better=better,
        warning=_warning(first.name, second.name) if better is Better.FIRST else None,
        notes=tuple(_notes(first.problem, second.problem, scores)),
        saving=None if cost_per_point is None else Saving(levels[-1], saved, cost_per_point),
        by_rule=_by_rule(first.problem, second.problem, explained[0].by_rule, explained[1].by_rule),
        by_device=_by_device(first, second, explained[0].by_device, explained[1].by_device),
    )


def _better(scores: tuple[Score, Score], levels: Iterable[str]) -> Better:
    # Not the scores themselves: two problems may count in different decimals.
    points = [[score.points(level) for level in levels] for score in scores]
    if points[0] == points[1]:
        return Better.NEITHER
    return Better.FIRST if points[0] > points[1] else Better.SECOND


def _warning(older: str, newer: str) -> str:
    return (
        f"the older plan ({older}) is better than the newer one ({newer}): the rules may lack something that was"
        " known when it was made, or the search was too short or its settings unsuitable"
    )


def _notes(first: Problem, second: Problem, scores: tuple[Score, Score]) -> Iterable[str]:
    for one, other, whose in ((first, second, "first"), (second, first, "second")):
        names = {device.id for device in other.devices}
        only = [device.id for device in one.devices if device.id not in names]
        if only:
            shown = ", ".join(only[:5]) + (", …" if len(only) > 5 else "")
            yield f"{len(only)} device(s) are only in the {whose} plan: {shown}"
    if _rules_of(first) != _rules_of(second):
        yield "the rules of the two plans differ, and so does what their points mean"
    if first.horizon != second.horizon:
        yield "the plans are for different horizons"
    if any(score.points(level) for score in scores for level in score.levels[:-1]):
        yield f"a plan breaks rules before the level {first.levels[-1]!r}; money counts that level alone"


def _rules_of(problem: Problem) -> dict[str, Rule]:
    return {rule.key: rule for rule in problem.rules}


def _by_rule(
    first: Problem, second: Problem, before: Iterable[Subtotal], after: Iterable[Subtotal]
) -> tuple[RuleDifference, ...]:
    sides = []
    for problem, subtotals in ((first, before), (second, after)):
        points = dict.fromkeys((rule.key for rule in problem.rules), _NOTHING)
        points.update({part.rule: exact_decimal(part.units, problem.decimals) for part in subtotals})
        sides.append(points)
    levels = {rule.key: rule.level for rule in (*first.rules, *second.rules)}
    keys = dict.fromkeys([rule.key for rule in (*second.rules, *first.rules)])
    return tuple(RuleDifference(key, levels[key], sides[0].get(key), sides[1].get(key)) for key in keys)


def _by_device(
    first: NamedPlan, second: NamedPlan, before: Iterable[Subtotal], after: Iterable[Subtotal]
) -> tuple[DeviceDifference, ...]:
    placed = (_placed(first, before), _placed(second, after))
    devices = {device.id: device.type for device in (*first.problem.devices, *second.problem.devices)}
    order = dict.fromkeys(device.id for device in (*second.problem.devices, *first.problem.devices))
    return tuple(DeviceDifference(name, devices[name], placed[0].get(name), placed[1].get(name)) for name in order)


def _placed(given: NamedPlan, subtotals: Iterable[Subtotal]) -> dict[str, PlacedDevice]:
    problem, plan = given.problem, given.plan
    points: dict[str, dict[str, Decimal]] = {}
    for part in subtotals:
        if part.part is not None:
            own = points.setdefault(part.part, dict.fromkeys(problem.levels, _NOTHING))
            own[part.level] += exact_decimal(part.units, problem.decimals)
    return {
        device.id: PlacedDevice(
            start=plan.start_date(problem, index),
            end=plan.end_date(problem, index),
            area=problem.areas[plan.area[index]].id,
            return_interval_days=plan.return_interval_days(problem, index),
            points=points.get(device.id) or dict.fromkeys(problem.levels, _NOTHING),
        )
        for index, device in enumerate(problem.devices)
    }
