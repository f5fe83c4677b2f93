"""Why a device is where it is: what every other start would cost, with all other devices left where they are."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from services.planner.domain.arrays import BoolArray, IntArray
from services.planner.domain.constraints.area_exclusive import AreaExclusive
from services.planner.domain.constraints.busy_season import BusySeasonStarts
from services.planner.domain.constraints.monthly_levelling import MonthlyLevelling, monthly_share_tenths
from services.planner.domain.constraints.same_type_spacing import SameTypeSpacing
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem
from services.planner.domain.rule import HUNDREDTHS, CapacityRule, DeviceRule, Rule
from services.planner.domain.score import Score


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What one rule has to say about a move."""

    rule: str
    level: str
    units: int


@dataclass(frozen=True, slots=True)
class Alternative:
    """A place a device could be moved to.

    Parameters
    ----------
    start, area
        The place; the area is the one in which it shares the fewest days.
    change
        What the score would change by; below zero where the plan would get worse.
    by_rule
        The rules that change, adding up to `change`.
    """

    start: date
    area: int | str
    change: Score
    by_rule: tuple[RuleChange, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """One device, and the plan of all others."""

    problem: Problem
    plan: Plan
    device: int
    others: BoolArray

    def present(self, rule: Rule, area: int) -> IntArray:
        """Return `(days,)`: how many other devices in the scope of the rule are in an area."""
        covered = rule.covered_devices(self.problem) & self.others & (self.plan.area == area)
        return self.plan.in_inspection(self.problem, covered)

    def over_inspection(self, days: BoolArray) -> IntArray:
        """Return, for each start, on how many days of the inspection something is so."""
        total = np.concatenate([[0], np.cumsum(days)])
        starts = np.arange(int(self.problem.start_count[self.device]))
        sums: IntArray = total[starts + int(self.problem.inspection_days[self.device])] - total[starts]
        return sums

    def shared_days(self, rule: Rule, area: int) -> IntArray:
        """Return, for each start, the days on which the device would not be alone in an area."""
        return self.over_inspection(self.present(rule, area) > 0)


def find_alternatives(problem: Problem, plan: Plan, device: int, count: int) -> tuple[Alternative, ...]:
    """Return the best places a device could be moved to, the best one first.

    Parameters
    ----------
    problem, plan
        What was planned, and how.
    device
        Index of the device.
    count
        Number of places wanted.
    """
    case = _Case(problem, plan, device, np.arange(len(problem.devices)) != device)
    starts, now = int(problem.start_count[device]), int(plan.start[device])
    areas, here = _areas(case), _own_area_units(case)
    tables = [
        (rule, _base_hundredths(case, rule, areas) * -problem.weight_units(rule))
        for rule in problem.rules
        if rule.covers(problem.types[problem.type_of[device]])
    ]
    changes = {start: _changes(tables, start, now, here) for start in range(starts) if start != now}
    scores = {start: _sum(problem, found) for start, found in changes.items()}
    best = sorted(scores, key=lambda start: (tuple(-part for part in scores[start].units), abs(start - now)))
    return tuple(
        Alternative(problem.days[start], problem.areas[areas[start]].id, scores[start], changes[start])
        for start in best[:count]
    )


def _changes(tables: list[tuple[Rule, IntArray]], start: int, now: int, here: dict[str, int]) -> tuple[RuleChange, ...]:
    found = (
        RuleChange(rule.key, rule.level, int(units[start]) - here.get(rule.key, int(units[now])))
        for rule, units in tables
    )
    return tuple(change for change in found if change.units)


def _sum(problem: Problem, changes: tuple[RuleChange, ...]) -> Score:
    units = dict.fromkeys(problem.levels, 0)
    for change in changes:
        units[change.level] += change.units
    return Score(problem.levels, tuple(units.values()), problem.decimals)


def _own_area_units(case: _Case) -> dict[str, int]:
    """Return what area exclusivity costs where the device is: it need not be in the area that is best for it."""
    start, area = int(case.plan.start[case.device]), int(case.plan.area[case.device])
    return {
        rule.key: -case.problem.weight_units(rule) * HUNDREDTHS * int(case.shared_days(rule, area)[start])
        for rule in case.problem.rules
        if isinstance(rule, AreaExclusive)
    }


def _areas(case: _Case) -> IntArray:
    """Return, for each start, the area in which the device shares the fewest days."""
    problem, own = case.problem, int(case.plan.area[case.device])
    kind = problem.devices[case.device].type
    eligible = [index for index, area in enumerate(problem.areas) if problem.takes(area, kind)]
    # Among equals the device stays in its area.
    eligible.sort(key=lambda index: index != own)
    shared = np.zeros((len(eligible), int(problem.start_count[case.device])), dtype=np.int64)
    for row, area in enumerate(eligible):
        for rule in problem.rules:
            if isinstance(rule, AreaExclusive):
                shared[row] += problem.weight_units(rule) * case.shared_days(rule, area)
    chosen: IntArray = np.array(eligible, dtype=np.int64)[shared.argmin(axis=0)]
    return chosen


def _base_hundredths(case: _Case, rule: Rule, areas: IntArray) -> IntArray:
    """Return, for each start, what the device adds to the base of a rule [1/100]."""
    problem, plan = case.problem, case.plan
    starts = int(problem.start_count[case.device])
    if isinstance(rule, DeviceRule):
        days = problem.calendar_day[:starts, np.newaxis]
        own: IntArray = np.broadcast_to(rule.base_days(problem, days), (starts, len(case.others)))[:, case.device]
        return own * HUNDREDTHS
    if isinstance(rule, CapacityRule):
        present = plan.in_inspection(problem, rule.covered_devices(problem) & case.others)
        return case.over_inspection(present >= rule.day_limits(problem)) * HUNDREDTHS
    if isinstance(rule, AreaExclusive):
        base = np.zeros(starts, dtype=np.int64)
        for area in np.unique(areas):
            base = np.where(areas == area, case.shared_days(rule, int(area)), base)
        return base * HUNDREDTHS
    return _base_among_mates(case, rule, starts)


def _base_among_mates(case: _Case, rule: Rule, starts: int) -> IntArray:
    """Return the same for rules about devices that start at the same time."""
    problem, plan = case.problem, case.plan
    mates = case.others & (problem.type_of == problem.type_of[case.device])
    if isinstance(rule, SameTypeSpacing):
        apart = np.abs(problem.calendar_day[:starts, np.newaxis] - problem.calendar_day[plan.start[mates]])
        pairs: IntArray = np.maximum(0, rule.days - apart).sum(axis=1)
        return pairs * HUNDREDTHS
    if isinstance(rule, MonthlyLevelling):
        months = len(problem.month_names)
        count = np.bincount(problem.month_of[plan.start[mates]], minlength=months)
        share = monthly_share_tenths(int(mates.sum()) + 1, months)
        rise: IntArray = (20 * (10 * count - share) + 100)[problem.month_of[:starts]]
        return rise
    if isinstance(rule, BusySeasonStarts):
        inside = rule.season_days(problem)
        sent = int((rule.covered_devices(problem) & case.others & inside[plan.start]).sum())
        return (inside[:starts] & (sent >= rule.max_devices)).astype(np.int64) * HUNDREDTHS
    raise TypeError(f"what {rule.rule} says about one device is not known here")
