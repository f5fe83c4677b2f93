"""A problem laid out for the search: flat int64 arrays and no names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from services.planner.domain.arrays import BoolArray, IntArray
from services.planner.domain.constraints.area_exclusive import AreaExclusive
from services.planner.domain.constraints.busy_season import BusySeasonStarts
from services.planner.domain.constraints.monthly_levelling import MonthlyLevelling, monthly_share_tenths
from services.planner.domain.constraints.same_type_spacing import SameTypeSpacing
from services.planner.domain.problem import Problem
from services.planner.domain.rule import HUNDREDTHS, CapacityRule, DeviceRule, Rule
from services.planner.domain.search_limits import check_search_limits


class Model(NamedTuple):
    """What the compiled search reads. Costs are points below zero turned positive [10**-decimals points].

    Only levels that some rule uses are kept, in order. What belongs to a type stands between `x_first[type]` and
    `x_first[type + 1]`: of `x_of` where one entry serves several types, of the table itself otherwise.
    """

    type_of: IntArray  # (devices,)
    length: IntArray  # (devices,) working days
    start_count: IntArray  # (devices,) start days 0 .. start_count - 1
    movable: IntArray  # (movable,) devices the search may move
    mates_first: IntArray  # (types + 1,)
    mates_of: IntArray  # (movable,) movable devices by type
    own_cost: IntArray  # (devices, start days, levels) what depends on the device's own start only
    calendar_day: IntArray  # (days,)
    month_of: IntArray  # (start days,)
    constant_cost: IntArray  # (levels,) cost of an empty plan

    capacity_first: IntArray
    capacity_of: IntArray
    capacity_limit: IntArray  # (capacities, days)
    capacity_weight: IntArray
    capacity_level: IntArray

    spacing_first: IntArray
    spacing_days: IntArray
    spacing_weight: IntArray
    spacing_level: IntArray

    levelling_first: IntArray
    levelling_share: IntArray  # tenths of a device a month
    levelling_weight: IntArray
    levelling_level: IntArray

    season_first: IntArray
    season_of: IntArray
    season_days: IntArray  # (seasons, start days) 1 inside
    season_limit: IntArray
    season_weight: IntArray
    season_level: IntArray

    exclusive_first: IntArray
    exclusive_of: IntArray
    exclusive_weight: IntArray
    exclusive_level: IntArray
    eligible: IntArray  # (devices, areas) 1 where the device may go
    months: int
    areas: int


@dataclass(frozen=True, slots=True)
class _Capacity:
    types: BoolArray
    limit: IntArray
    weight: int
    level: int


@dataclass(frozen=True, slots=True)
class _ByType:
    """One entry of a table that stands under a type: (type, parameter, weight, level)."""

    type: int
    parameter: int
    weight: int
    level: int


def areas_interchangeable(problem: Problem) -> bool:
    """Whether areas can be assigned after the start days without costing a point.

    They can if every area takes every type, no device is pinned to one, and area exclusivity is about one set of
    devices: then the days of inspections have the consecutive-ones property, and some assignment gives every area
    its equal share of every day (see `colouring`), so that exclusivity costs what the days alone determine.
    """
    scopes = {rule.covered_types(problem).tobytes() for rule in problem.rules if isinstance(rule, AreaExclusive)}
    restricted = any(area.types is not None for area in problem.areas)
    pinned = any(device.pinned and device.area is not None for device in problem.devices)
    return len(scopes) <= 1 and not restricted and not pinned


def used_levels(problem: Problem) -> tuple[str, ...]:
    """Return the levels some rule uses, in order; the first level if none does."""
    used = {rule.level for rule in problem.rules}
    return tuple(level for level in problem.levels if level in used) or problem.levels[:1]


def build_model(problem: Problem) -> Model:
    """Lay a problem out for the search.

    Raises
    ------
    ProblemTooLarge
        If the tables would not fit in memory.
    WeightsTooLarge
        If a score could leave the range of 64-bit integers.
    """
    levels = {level: index for index, level in enumerate(used_levels(problem))}
    check_search_limits(problem)
    movable = np.flatnonzero([not device.pinned for device in problem.devices]).astype(np.int64)
    mates = [movable[problem.type_of[movable] == index] for index in range(len(problem.types))]
    capacities = _capacities(problem, levels)
    spacing = _spacing(problem, levels)
    levelling = _levelling(problem, levels)
    seasons = [rule for rule in problem.rules if isinstance(rule, BusySeasonStarts)]
    exclusive: list[Rule] = []
    if not areas_interchangeable(problem):
        exclusive = [rule for rule in problem.rules if isinstance(rule, AreaExclusive)]

    constant = np.zeros(len(levels), dtype=np.int64)
    for entry in levelling:
        constant[entry.level] += entry.weight * entry.parameter**2 * len(problem.month_names)
    capacity_first, capacity_of = _members(problem, [entry.types for entry in capacities])
    season_first, season_of = _members(problem, [rule.covered_types(problem) for rule in seasons])
    exclusive_first, exclusive_of = _members(problem, [rule.covered_types(problem) for rule in exclusive])
    return Model(
        type_of=problem.type_of.copy(),
        length=problem.inspection_days.copy(),
        start_count=problem.start_count.copy(),
        movable=movable,
        mates_first=_offsets([len(group) for group in mates]),
        mates_of=np.concatenate(mates).astype(np.int64),
        own_cost=_own_cost(problem, levels),
        calendar_day=problem.calendar_day.copy(),
        month_of=problem.month_of.copy(),
        constant_cost=constant,
        capacity_first=capacity_first,
        capacity_of=capacity_of,
        capacity_limit=_table([entry.limit for entry in capacities], len(problem.days)),
        capacity_weight=_column(entry.weight for entry in capacities),
        capacity_level=_column(entry.level for entry in capacities),
        spacing_first=_first(problem, spacing),
        spacing_days=_column(entry.parameter for entry in spacing),
        spacing_weight=_column(entry.weight for entry in spacing),
        spacing_level=_column(entry.level for entry in spacing),
        levelling_first=_first(problem, levelling),
        levelling_share=_column(entry.parameter for entry in levelling),
        levelling_weight=_column(entry.weight for entry in levelling),
        levelling_level=_column(entry.level for entry in levelling),
        season_first=season_first,
        season_of=season_of,
        season_days=_table([rule.season_days(problem).astype(np.int64) for rule in seasons], problem.horizon_days),
        season_limit=_column(rule.max_devices for rule in seasons),
        season_weight=_column(problem.weight_units(rule) * HUNDREDTHS for rule in seasons),
        season_level=_column(levels[rule.level] for rule in seasons),
        exclusive_first=exclusive_first,
        exclusive_of=exclusive_of,
        exclusive_weight=_column(problem.weight_units(rule) * HUNDREDTHS for rule in exclusive),
        exclusive_level=_column(levels[rule.level] for rule in exclusive),
        eligible=_eligible(problem),
        months=len(problem.month_names),
        areas=len(problem.areas),
    )


def _own_cost(problem: Problem, levels: dict[str, int]) -> IntArray:
    table = np.zeros((len(problem.devices), problem.horizon_days, len(levels)), dtype=np.int64)
    start_day = problem.calendar_day[: problem.horizon_days, np.newaxis]
    for rule in problem.rules:
        if isinstance(rule, DeviceRule):
            base = np.where(rule.covered_devices(problem), rule.base_days(problem, start_day), 0)
            table[:, :, levels[rule.level]] += base.T * (problem.weight_units(rule) * HUNDREDTHS)
    return table


def _capacities(problem: Problem, levels: dict[str, int]) -> list[_Capacity]:
    made = [
        _Capacity(
            rule.covered_types(problem),
            rule.day_limits(problem),
            problem.weight_units(rule) * HUNDREDTHS,
            levels[rule.level],
        )
        for rule in problem.rules
        if isinstance(rule, CapacityRule)
    ]
    if areas_interchangeable(problem):
        everywhere = np.full(len(problem.days), len(problem.areas), dtype=np.int64)
        made.extend(
            _Capacity(
                rule.covered_types(problem), everywhere, problem.weight_units(rule) * HUNDREDTHS, levels[rule.level]
            )
            for rule in problem.rules
            if isinstance(rule, AreaExclusive)
        )
    # Equal capacities are counted once: a daily limit of as many devices as there are areas is the usual case.
    merged: dict[tuple[bytes, bytes, int], _Capacity] = {}
    for entry in made:
        key = (entry.types.tobytes(), entry.limit.tobytes(), entry.level)
        weight = entry.weight + (merged[key].weight if key in merged else 0)
        merged[key] = _Capacity(entry.types, entry.limit, weight, entry.level)
    return list(merged.values())


def _spacing(problem: Problem, levels: dict[str, int]) -> list[_ByType]:
    return sorted(
        (
            _ByType(int(index), rule.days, problem.weight_units(rule) * HUNDREDTHS, levels[rule.level])
            for rule in problem.rules
            if isinstance(rule, SameTypeSpacing)
            for index in np.flatnonzero(rule.covered_types(problem))
        ),
        key=lambda entry: entry.type,
    )


def _levelling(problem: Problem, levels: dict[str, int]) -> list[_ByType]:
    count = np.bincount(problem.type_of, minlength=len(problem.types))
    months = len(problem.month_names)
    return sorted(
        (
            _ByType(
                int(index),
                monthly_share_tenths(int(count[index]), months),
                problem.weight_units(rule),
                levels[rule.level],
            )
            for rule in problem.rules
            if isinstance(rule, MonthlyLevelling)
            for index in np.flatnonzero(rule.covered_types(problem))
        ),
        key=lambda entry: entry.type,
    )


def _eligible(problem: Problem) -> IntArray:
    by_type = [[problem.takes(area, device_type.name) for area in problem.areas] for device_type in problem.types]
    table = np.array(by_type, dtype=np.int64)[problem.type_of]
    for index, device in enumerate(problem.devices):
        if device.pinned and device.area is not None:
            table[index] = [str(area.id) == str(device.area) for area in problem.areas]
    return table


def _members(problem: Problem, scopes: Sequence[BoolArray]) -> tuple[IntArray, IntArray]:
    groups = [[index for index, scope in enumerate(scopes) if scope[kind]] for kind in range(len(problem.types))]
    return _offsets([len(group) for group in groups]), _column(index for group in groups for index in group)


def _first(problem: Problem, entries: Sequence[_ByType]) -> IntArray:
    return _offsets([sum(entry.type == kind for entry in entries) for kind in range(len(problem.types))])


def _offsets(counts: Sequence[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _column(values: Iterable[int]) -> IntArray:
    return np.array(list(values), dtype=np.int64)


def _table(rows: Sequence[IntArray], width: int) -> IntArray:
    return np.array(rows, dtype=np.int64).reshape(len(rows), width)
