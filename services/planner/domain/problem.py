"""A planning problem, read once into the arrays that scoring and search work on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

import numpy as np

from services.planner.domain.arrays import BoolArray, IntArray, frozen_ints
from services.planner.domain.calendar import Calendar
from services.planner.domain.rule import BASE_DECIMALS, Rule
from shared.errors import AppError, Fault, Kind

# Further than any date: a device without a condition due date is never late for it.
NEVER_DAY = 2**40


class ProblemInvalid(AppError):
    """The problem cannot be read; every fault is listed."""

    kind, code = Kind.INVALID, "planner.problem_invalid"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"the problem has {len(faults)} fault(s)", faults=faults)


@dataclass(frozen=True, slots=True)
class Horizon:
    """The span inspections start in; they end in it too, unless they may cross its end."""

    start: date
    end: date
    work_may_cross_end: bool = False


@dataclass(frozen=True, slots=True)
class Area:
    """A place where one device at a time is inspected; `types` are those it takes, none given means all."""

    id: int | str
    types: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class DeviceType:
    """What devices of one type share; an inspection takes `inspection_days` working days."""

    name: str
    inspection_days: int
    device_class: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """One device to inspect.

    Parameters
    ----------
    id
        Its name, unique within the problem.
    type
        Name of its type.
    previous_end
        When its last inspection ended.
    start
        Start it has in a plan made before: where a pinned device stays, and what `disruption` measures from.
    area
        Area it has in that plan: where a pinned device stays, if given.
    pinned
        Whether the search must leave it where it is.
    condition_due
        Date its condition asks for an inspection by.
    """

    id: str
    type: str
    previous_end: date
    start: date | None = None
    area: int | str | None = None
    pinned: bool = False
    condition_due: date | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A problem and its arrays; made by `build_problem`, which checks what makes them wrong.

    Parameters
    ----------
    name, horizon, calendar, levels, areas, types, devices, rules
        As given.
    days
        Working days, those of the horizon first, then those that crossing inspections may need.
    month_names
        Months of the horizon, `YYYY-MM`.
    horizon_days
        Number of working days inside the horizon [days].
    calendar_day
        `(days,)` each working day counted from the first day of the horizon [calendar days].
    month_of
        `(horizon_days,)` index of the month of each.
    type_of, inspection_days, previous_end_day, condition_day, reference_day
        `(devices,)` index of the type; working days; calendar days as above. `condition_day` is `NEVER_DAY` and
        `reference_day` 0 for a device without; `has_reference` tells.
    start_count
        `(devices,)` number of working days the inspection may start on: the first so many of the horizon.
    decimals
        Decimal places of every score of this problem.
    """

    name: str
    horizon: Horizon
    calendar: Calendar
    levels: tuple[str, ...]
    areas: tuple[Area, ...]
    types: tuple[DeviceType, ...]
    devices: tuple[Device, ...]
    rules: tuple[Rule, ...]
    days: tuple[date, ...]
    month_names: tuple[str, ...]
    horizon_days: int
    calendar_day: IntArray
    month_of: IntArray
    type_of: IntArray
    inspection_days: IntArray
    previous_end_day: IntArray
    condition_day: IntArray
    reference_day: IntArray
    has_reference: BoolArray
    start_count: IntArray
    decimals: int

    def weight_units(self, rule: Rule) -> int:
        """Return the cost of a hundredth of base under `rule` [10**-decimals points]."""
        return int(Fraction(rule.weight) * 10 ** (self.decimals - BASE_DECIMALS))

    def takes(self, area: Area, type_name: str) -> bool:
        """Whether devices of the type may be inspected in the area."""
        return area.types is None or type_name in area.types


def months_between(first: date, last: date) -> tuple[str, ...]:
    """Return the calendar months from `first` to `last`, whole or not, as `YYYY-MM`."""
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return tuple(f"{number // 12:04d}-{number % 12 + 1:02d}" for number in numbers)


def build_problem(
    *,
    name: str,
    horizon: Horizon,
    calendar: Calendar,
    levels: Sequence[str],
    areas: Sequence[Area],
    types: Sequence[DeviceType],
    devices: Sequence[Device],
    rules: Sequence[Rule],
    pointer: str = "",
) -> Problem:
    """Lay out the arrays of a problem whose parts refer to each other correctly.

    Parameters
    ----------
    name, horizon, calendar, levels, areas, types, devices, rules
        The parts; ids are unique, every device's type is among the types, every rule's level among the levels.
    pointer
        JSON pointer of the problem in the body it came in, for faults.

    Raises
    ------
    ProblemInvalid
        If the horizon has no working day, an inspection does not fit in it, or a pinned start is no working day
        of it from which the inspection can be finished.
    CalendarTooShort
        If inspections may cross the end and there are not enough working days behind it.
    """
    inside = calendar.worked_between(horizon.start, horizon.end)
    longest = max(device_type.inspection_days for device_type in types)
    beyond = calendar.worked_after(horizon.end, longest - 1) if horizon.work_may_cross_end else ()
    days = inside + beyond
    first = horizon.start
    type_index = {device_type.name: index for index, device_type in enumerate(types)}
    type_of = frozen_ints([type_index[device.type] for device in devices])
    lengths = frozen_ints([types[index].inspection_days for index in type_of])
    start_count = np.minimum(len(inside), len(days) - lengths + 1)

    faults = _faults_of_days(inside, types, devices, start_count, pointer)
    if faults:
        raise ProblemInvalid(faults)

    month_names = months_between(horizon.start, horizon.end)
    month_index = {month: index for index, month in enumerate(month_names)}
    return Problem(
        name=name,
        horizon=horizon,
        calendar=calendar,
        levels=tuple(levels),
        areas=tuple(areas),
        types=tuple(types),
        devices=tuple(devices),
        rules=tuple(rules),
        days=days,
        month_names=month_names,
        horizon_days=len(inside),
        calendar_day=frozen_ints([(day - first).days for day in days]),
        month_of=frozen_ints([month_index[day.strftime("%Y-%m")] for day in inside]),
        type_of=type_of,
        inspection_days=lengths,
        previous_end_day=frozen_ints([(device.previous_end - first).days for device in devices]),
        condition_day=frozen_ints(
            [NEVER_DAY if device.condition_due is None else (device.condition_due - first).days for device in devices]
        ),
        reference_day=frozen_ints([0 if device.start is None else (device.start - first).days for device in devices]),
        has_reference=np.array([device.start is not None for device in devices], dtype=np.bool_),
        start_count=frozen_ints(start_count),
        decimals=BASE_DECIMALS + max((_decimal_places(rule) for rule in rules), default=0),
    )


def _decimal_places(rule: Rule) -> int:
    exponent = rule.weight.as_tuple().exponent
    if not isinstance(exponent, int):
        raise TypeError(f"the weight of {rule.key} is not a number: {rule.weight}")
    return max(0, -exponent)


def _faults_of_days(
    inside: Sequence[date],
    types: Sequence[DeviceType],
    devices: Sequence[Device],
    start_count: IntArray,
    pointer: str,
) -> list[Fault]:
    if not inside:
        return [Fault(f"{pointer}/horizon", "the horizon has no working day")]
    needed = {device.type for device, count in zip(devices, start_count, strict=True) if count < 1}
    faults = [
        Fault(
            f"{pointer}/device_types/{index}/inspection_days",
            f"an inspection of {device_type.inspection_days} working days does not fit in the horizon's {len(inside)}",
            {"working_days": len(inside)},
        )
        for index, device_type in enumerate(types)
        if device_type.name in needed
    ]
    position = {day: index for index, day in enumerate(inside)}
    for index, (device, count) in enumerate(zip(devices, start_count, strict=True)):
        if not device.pinned or device.start is None or count < 1:
            continue
        where = f"{pointer}/devices/{index}/start"
        if device.start not in position:
            faults.append(Fault(where, "the pinned start is not a working day of the horizon"))
        elif position[device.start] >= count:
            faults.append(Fault(where, "an inspection from the pinned start does not end inside the horizon"))
    return faults
