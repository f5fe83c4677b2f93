"""Why a plan has its score: the matches it is the sum of, read by rule, device, month, area and day."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from services.planner.domain.alternatives import Alternative, find_alternatives
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem
from services.planner.domain.rule import Match
from services.planner.domain.score import Score
from services.planner.domain.scoring import find_matches, sum_matches
from shared.errors import AppError, Kind


class FilterUnknown(AppError):
    """The problem has nothing of this name to filter by."""

    kind, code = Kind.INVALID, "planner.filter_unknown"

    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"the problem has no {name} {value!r}", filter=name, value=value)


@dataclass(frozen=True, slots=True)
class Subtotal:
    """Points of one rule, for one device, month, area or day where `part` names it.

    `part` is `None` for the sum over all, and for points that belong to none (a month without any device, say).
    """

    rule: str
    level: str
    part: str | None
    matches: int
    units: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """The matches of a plan, chosen by filters, and five ways to add them up; each adds up to `total`.

    Parameters
    ----------
    score
        Of the whole plan, whatever the filters.
    total
        Of the chosen matches; equal to `score` without filters.
    matches
        The chosen matches.
    by_rule, by_device, by_month, by_area, by_day
        Subtotals; a match of several devices is shared equally among them, to the last unit. The area of a match
        without one is that of its device, or of all its devices.
    alternatives
        Of the device that was chosen: the best other places for it.
    """

    score: Score
    total: Score
    matches: tuple[Match, ...]
    by_rule: tuple[Subtotal, ...]
    by_device: tuple[Subtotal, ...]
    by_month: tuple[Subtotal, ...]
    by_area: tuple[Subtotal, ...]
    by_day: tuple[Subtotal, ...]
    alternatives: tuple[Alternative, ...] = ()


# How many other places for a device are listed.
ALTERNATIVES: Final = 5


def explain(
    problem: Problem,
    plan: Plan,
    *,
    device: str | None = None,
    rule: str | None = None,
    month: str | None = None,
    area: str | None = None,
    day: date | None = None,
) -> Explanation:
    """Explain the score of a plan.

    Parameters
    ----------
    problem, plan
        What was planned, and how.
    device, rule, month, area, day
        Only matches that involve this device, of this rule (its name or its key), in this month (`YYYY-MM`), in this
        area, on this day.

    Raises
    ------
    FilterUnknown
        If the problem has no such device, rule, month, area or day.
    """
    keys = _keys_of(problem, rule)
    if device is not None and all(entry.id != device for entry in problem.devices):
        raise FilterUnknown("device", device)
    if month is not None and month not in {day.strftime("%Y-%m") for day in problem.days} | set(problem.month_names):
        raise FilterUnknown("month", month)
    if area is not None and area not in {str(area.id) for area in problem.areas}:
        raise FilterUnknown("area", area)
    if day is not None and day not in problem.days:
        raise FilterUnknown("day", day.isoformat())
    area_of = _areas_of(problem, plan)

    matches = tuple(find_matches(problem, plan))
    chosen = tuple(
        match
        for match in matches
        if match.rule in keys
        and (device is None or device in match.devices)
        and (month is None or match.month == month)
        and (day is None or match.day == day)
        and (area is None or _area(match, area_of) == area)
    )
    return Explanation(
        score=sum_matches(problem, matches),
        total=sum_matches(problem, chosen),
        matches=chosen,
        by_rule=_subtotals(problem, ((match, None, match.units) for match in chosen)),
        by_device=_subtotals(problem, _shares(chosen)),
        by_month=_subtotals(problem, ((match, match.month, match.units) for match in chosen)),
        by_area=_subtotals(problem, ((match, _area(match, area_of), match.units) for match in chosen)),
        by_day=_subtotals(
            problem, ((match, None if match.day is None else match.day.isoformat(), match.units) for match in chosen)
        ),
        alternatives=() if device is None else _alternatives(problem, plan, device),
    )


def _alternatives(problem: Problem, plan: Plan, device: str) -> tuple[Alternative, ...]:
    index = next(index for index, entry in enumerate(problem.devices) if entry.id == device)
    return () if problem.devices[index].pinned else find_alternatives(problem, plan, index, ALTERNATIVES)


def _areas_of(problem: Problem, plan: Plan) -> dict[str, str]:
    return {entry.device: str(entry.area) for entry in plan.assignments(problem)}


def _area(match: Match, area_of: Mapping[str, str]) -> str | None:
    """Return the area of a match, or the one all its devices are in."""
    if match.area is not None:
        return str(match.area)
    areas = {area_of[device] for device in match.devices}
    return areas.pop() if len(areas) == 1 else None


def _keys_of(problem: Problem, rule: str | None) -> frozenset[str]:
    keys = frozenset(entry.key for entry in problem.rules if rule in (None, entry.key, entry.rule))
    if rule is not None and not keys:
        raise FilterUnknown("rule", rule)
    return keys


def _shares(matches: Iterable[Match]) -> Iterator[tuple[Match, str | None, int]]:
    for match in matches:
        if not match.devices:
            yield match, None, match.units
            continue
        # Costs are split, not points: floor division of a negative number would round the wrong way.
        share, rest = divmod(-match.units, len(match.devices))
        for position, device in enumerate(match.devices):
            yield match, device, -(share + (position < rest))


def _subtotals(problem: Problem, parts: Iterable[tuple[Match, str | None, int]]) -> tuple[Subtotal, ...]:
    units: dict[tuple[str, str | None], int] = {}
    counts: dict[tuple[str, str | None], int] = {}
    for match, part, points in parts:
        key = (match.rule, part)
        units[key] = units.get(key, 0) + points
        counts[key] = counts.get(key, 0) + 1
    order = {rule.key: index for index, rule in enumerate(problem.rules)}
    levels = {rule.key: rule.level for rule in problem.rules}
    ordered = sorted(units, key=lambda key: (order[key[0]], key[1] is None, key[1] or ""))
    return tuple(
        Subtotal(rule=rule, level=levels[rule], part=part, matches=counts[rule, part], units=units[rule, part])
        for rule, part in ordered
    )
