"""What no plan can keep, found before any search: limits passed on the first day, and more work than room.

The reasons are necessary, not complete: a problem without any can still have no plan that keeps every rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import numpy as np

from services.planner.domain.arrays import BoolArray, IntArray
from services.planner.domain.constraints.return_limit import ReturnLimit
from services.planner.domain.problem import Problem
from services.planner.domain.rule import CapacityRule, DeviceRule


class ConflictKind(StrEnum):
    """What cannot be kept."""

    LIMIT_PASSED = "limit_passed"
    WEEK_OVER_CAPACITY = "week_over_capacity"
    TOO_MUCH_WORK = "too_much_work"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something that costs points on an early level in every plan.

    Parameters
    ----------
    rules
        Keys of the rules that cannot all be kept.
    devices
        The devices they cannot all be kept for: without any one of them they could be, as far as this reason goes.
    first, last
        Days it is about.
    detail
        A sentence for the person who plans.
    """

    kind: ConflictKind
    rules: tuple[str, ...]
    devices: tuple[str, ...]
    first: date
    last: date
    detail: str


def find_conflicts(problem: Problem) -> tuple[Conflict, ...]:
    """Return what no plan can keep of the rules before the last level."""
    return (*_passed_limits(problem), *_full_weeks(problem), *_too_much_work(problem))


def _is_early(problem: Problem, level: str) -> bool:
    return level != problem.levels[-1] or len(problem.levels) == 1


def _passed_limits(problem: Problem) -> Iterator[Conflict]:
    start_day = problem.calendar_day[: problem.horizon_days, np.newaxis]
    allowed = _allowed_starts(problem)
    for rule in problem.rules:
        if not isinstance(rule, DeviceRule) or not rule.weight or not _is_early(problem, rule.level):
            continue
        base = np.broadcast_to(rule.base_days(problem, start_day), allowed.T.shape).T
        least = np.where(allowed, base, np.iinfo(np.int64).max).min(axis=1)
        for index in np.flatnonzero(rule.covered_devices(problem) & (least > 0)):
            device = problem.devices[index]
            best = problem.days[int(np.where(allowed[index], base[index], np.iinfo(np.int64).max).argmin())]
            limit = f" of {rule.days} days after {device.previous_end}" if isinstance(rule, ReturnLimit) else ""
            yield Conflict(
                ConflictKind.LIMIT_PASSED,
                (rule.key,),
                (device.id,),
                best,
                best,
                f"{device.id} breaks {rule.key}{limit} by {int(least[index])} even if it starts on {best}",
            )


def _allowed_starts(problem: Problem) -> BoolArray:
    """Return `(devices, start days)`: where each device may start, a pinned one only where it is."""
    allowed: BoolArray = np.arange(problem.horizon_days) < problem.start_count[:, np.newaxis]
    for index, device in enumerate(problem.devices):
        if device.pinned and device.start is not None:
            allowed[index] = [day == device.start for day in problem.days[: problem.horizon_days]]
    return allowed


def _windows(problem: Problem) -> tuple[IntArray, IntArray]:
    """Return the first and last start of each device that keeps every early rule about it alone.

    One that cannot keep them may start where it costs least, which is reported on its own.
    """
    allowed = _allowed_starts(problem)
    start_day = problem.calendar_day[: problem.horizon_days, np.newaxis]
    for rule in problem.rules:
        if isinstance(rule, DeviceRule) and rule.weight and _is_early(problem, rule.level):
            base = np.broadcast_to(rule.base_days(problem, start_day), allowed.T.shape).T
            least = np.where(allowed, base, np.iinfo(np.int64).max).min(axis=1, keepdims=True)
            allowed &= (base == least) | ~rule.covered_devices(problem)[:, np.newaxis]
    return allowed.argmax(axis=1), problem.horizon_days - 1 - allowed[:, ::-1].argmax(axis=1)


def _capacities(problem: Problem) -> Iterator[tuple[CapacityRule, IntArray, BoolArray]]:
    for rule in problem.rules:
        if isinstance(rule, CapacityRule) and rule.weight and _is_early(problem, rule.level):
            yield rule, rule.day_limits(problem), rule.covered_devices(problem)


def _full_weeks(problem: Problem) -> Iterator[Conflict]:
    """Yield weeks with a day on which more devices are in inspection than it takes, whatever one plans."""
    first, last = _windows(problem)
    earliest_end = first + problem.inspection_days
    for rule, limits, covered in _capacities(problem):
        seen: set[date] = set()
        certain = covered & (last < earliest_end)
        for day in range(len(problem.days)):
            present = np.flatnonzero(certain & (last <= day) & (day < earliest_end))
            monday = problem.days[day] - timedelta(problem.days[day].weekday())
            if len(present) <= limits[day] or monday in seen:
                continue
            seen.add(monday)
            devices = tuple(problem.devices[index].id for index in present[: int(limits[day]) + 1])
            yield Conflict(
                ConflictKind.WEEK_OVER_CAPACITY,
                (rule.key,),
                devices,
                monday,
                monday + timedelta(6),
                f"in the week of {monday} {len(present)} devices must be in inspection on {problem.days[day]},"
                f" and {rule.key} allows {int(limits[day])}",
            )


def _too_much_work(problem: Problem) -> Iterator[Conflict]:
    """Yield the earliest day by which more must be finished than there is room for."""
    _, last = _windows(problem)
    ends = last + problem.inspection_days
    for rule, limits, covered in _capacities(problem):
        room = np.concatenate([[0], np.cumsum(np.minimum(limits, int(covered.sum())))])
        chosen: list[int] = []
        work = 0
        for index in sorted(np.flatnonzero(covered), key=lambda index: (ends[index], index)):
            chosen.append(int(index))
            work += int(problem.inspection_days[index])
            excess = work - int(room[ends[index]])
            if excess <= 0:
                continue
            devices = _smallest(problem, chosen, excess)
            day = problem.days[int(ends[index]) - 1]
            yield Conflict(
                ConflictKind.TOO_MUCH_WORK,
                tuple(dict.fromkeys([rule.key, *_deadline_rules(problem)])),
                tuple(problem.devices[entry].id for entry in devices),
                problem.days[0],
                day,
                f"{len(chosen)} devices must be finished by {day}: {work} working days of inspection where"
                f" {rule.key} has room for {work - excess}",
            )
            break


def _deadline_rules(problem: Problem) -> Iterator[str]:
    return (
        rule.key
        for rule in problem.rules
        if isinstance(rule, DeviceRule) and rule.weight and _is_early(problem, rule.level)
    )


def _smallest(problem: Problem, chosen: list[int], excess: int) -> list[int]:
    """Leave out devices for as long as the rest is still too much: a set that is in conflict, and no part of it is."""
    kept = sorted(chosen, key=lambda index: int(problem.inspection_days[index]))
    spare = excess - 1
    left = []
    for index in kept:
        days = int(problem.inspection_days[index])
        if days <= spare:
            spare -= days
        else:
            left.append(index)
    return sorted(left)
