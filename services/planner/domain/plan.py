"""A plan: a start day and an area for every device, checked before anything is scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np

from services.planner.domain.arrays import BoolArray, IntArray, frozen_ints
from services.planner.domain.problem import Problem
from shared.errors import AppError, Fault, Kind


class InvalidReason(StrEnum):
    """Why an assignment cannot be part of a plan."""

    MISSING = "missing"
    TWICE = "twice"
    UNKNOWN_DEVICE = "unknown_device"
    OUTSIDE_HORIZON = "outside_horizon"
    NOT_A_WORKING_DAY = "not_a_working_day"
    PAST_HORIZON = "past_horizon"
    UNKNOWN_AREA = "unknown_area"
    AREA_NOT_ELIGIBLE = "area_not_eligible"


_DETAILS = {
    InvalidReason.MISSING: "the device has no assignment",
    InvalidReason.TWICE: "the device is assigned more than once",
    InvalidReason.UNKNOWN_DEVICE: "the problem has no such device",
    InvalidReason.OUTSIDE_HORIZON: "the start is outside the horizon",
    InvalidReason.NOT_A_WORKING_DAY: "the start is not a working day",
    InvalidReason.PAST_HORIZON: "the inspection would end after the horizon",
    InvalidReason.UNKNOWN_AREA: "the problem has no such area",
    InvalidReason.AREA_NOT_ELIGIBLE: "the area does not take devices of this type",
}


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where and when one device is inspected, as it was given: not checked yet."""

    device: str
    start: date
    area: int | str | None


@dataclass(frozen=True, slots=True)
class InvalidAssignment:
    """One thing wrong with the assignments of a plan; `index` is the assignment's place, if it has one."""

    device: str
    reason: InvalidReason
    index: int | None = None

    @property
    def detail(self) -> str:
        """A sentence for the person who made the plan."""
        return _DETAILS[self.reason]


class PlanInvalid(AppError):
    """The assignments are not a plan of the problem; every fault is listed."""

    kind, code = Kind.INVALID, "planner.plan_invalid"

    def __init__(self, invalid: Sequence[InvalidAssignment], pointer: str = "") -> None:
        super().__init__(
            f"the plan has {len(invalid)} invalid assignment(s)",
            faults=[
                Fault(
                    f"{pointer}/assignments" if entry.index is None else f"{pointer}/assignments/{entry.index}",
                    entry.detail,
                    {"device": entry.device, "reason": entry.reason.value},
                )
                for entry in invalid
            ],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A complete plan of a problem.

    Parameters
    ----------
    start
        `(devices,)` index of the working day each inspection starts on.
    area
        `(devices,)` index of the area of each.
    """

    start: IntArray
    area: IntArray

    def in_inspection(self, problem: Problem, devices: BoolArray) -> IntArray:
        """Return `(days,)`: how many of the chosen devices are in inspection on each working day."""
        change = np.zeros(len(problem.days) + 1, dtype=np.int64)
        np.add.at(change, self.start[devices], 1)
        np.add.at(change, (self.start + problem.inspection_days)[devices], -1)
        return np.cumsum(change[:-1])

    def devices_on(self, problem: Problem, day: int, devices: BoolArray) -> tuple[str, ...]:
        """Return the ids of the chosen devices in inspection on a working day."""
        present = devices & (self.start <= day) & (day < self.start + problem.inspection_days)
        return tuple(problem.devices[index].id for index in np.flatnonzero(present))

    def start_date(self, problem: Problem, device: int) -> date:
        """Return the first day of an inspection."""
        return problem.days[int(self.start[device])]

    def end_date(self, problem: Problem, device: int) -> date:
        """Return the last day of an inspection, counting the start day as its first."""
        return problem.days[int(self.start[device] + problem.inspection_days[device]) - 1]

    def return_interval_days(self, problem: Problem, device: int) -> int:
        """Return the calendar days from the end of the previous inspection to the start of this one."""
        return (self.start_date(problem, device) - problem.devices[device].previous_end).days

    def assignments(self, problem: Problem) -> tuple[Assignment, ...]:
        """Return the plan as it is written down, in the order of the problem's devices."""
        return tuple(
            Assignment(entry.id, self.start_date(problem, index), problem.areas[self.area[index]].id)
            for index, entry in enumerate(problem.devices)
        )


def find_invalid(problem: Problem, assignments: Sequence[Assignment]) -> tuple[InvalidAssignment, ...]:
    """Return everything that keeps the assignments from being a plan of the problem."""
    device_index = {device.id: index for index, device in enumerate(problem.devices)}
    seen: set[str] = set()
    found: list[InvalidAssignment] = []
    for index, entry in enumerate(assignments):
        if entry.device not in device_index:
            found.append(InvalidAssignment(entry.device, InvalidReason.UNKNOWN_DEVICE, index))
            continue
        if entry.device in seen:
            found.append(InvalidAssignment(entry.device, InvalidReason.TWICE, index))
        seen.add(entry.device)
        device = device_index[entry.device]
        reasons = (_start_fault(problem, device, entry.start), _area_fault(problem, device, entry.area))
        found.extend(InvalidAssignment(entry.device, reason, index) for reason in reasons if reason is not None)
    found.extend(
        InvalidAssignment(device.id, InvalidReason.MISSING) for device in problem.devices if device.id not in seen
    )
    return tuple(found)


def make_plan(problem: Problem, assignments: Sequence[Assignment]) -> Plan:
    """Turn assignments into a plan.

    Raises
    ------
    PlanInvalid
        If any assignment is missing, double or impossible.
    """
    invalid = find_invalid(problem, assignments)
    if invalid:
        raise PlanInvalid(invalid)
    by_device = {entry.device: entry for entry in assignments}
    day_index = {day: index for index, day in enumerate(problem.days)}
    area_index = {str(area.id): index for index, area in enumerate(problem.areas)}
    return Plan(
        start=frozen_ints([day_index[by_device[device.id].start] for device in problem.devices]),
        area=frozen_ints([area_index[str(by_device[device.id].area)] for device in problem.devices]),
    )


def check_start(problem: Problem, assignments: Sequence[Assignment], pointer: str = "") -> None:
    """Make sure that a search can begin with these assignments, which may leave devices out.

    Raises
    ------
    PlanInvalid
        If any assignment is double or impossible.
    """
    invalid = [entry for entry in find_invalid(problem, assignments) if entry.reason is not InvalidReason.MISSING]
    if invalid:
        raise PlanInvalid(invalid, pointer)


def _start_fault(problem: Problem, device: int, start: date) -> InvalidReason | None:
    if not problem.horizon.start <= start <= problem.horizon.end:
        return InvalidReason.OUTSIDE_HORIZON
    if not problem.calendar.is_worked(start):
        return InvalidReason.NOT_A_WORKING_DAY
    count = int(problem.start_count[device])
    return InvalidReason.PAST_HORIZON if start > problem.days[count - 1] else None


def _area_fault(problem: Problem, device: int, area: int | str | None) -> InvalidReason | None:
    # 1 and "1" name the same area: a workbook or another program may write either.
    known = next((candidate for candidate in problem.areas if str(candidate.id) == str(area)), None)
    if known is None:
        return InvalidReason.UNKNOWN_AREA
    return None if problem.takes(known, problem.devices[device].type) else InvalidReason.AREA_NOT_ELIGIBLE
