"""The score kept up to date: what placing, moving or removing one device costs, in compiled code.

Every function is plain arithmetic on the arrays of `Model` and `State`; the tests hold their sums equal to the score of
`domain.scoring` over random problems and moves.
"""

from typing import NamedTuple

import numpy as np


from services.planner.domain.arrays import IntArray
from services.planner.solver.compiled import entry_point, kernel
from services.planner.solver.model import Model

UNPLACED = -1


class State(NamedTuple):
    """A plan under way and the counts its cost is made of; every array is written in place."""

    start: IntArray  # (devices,) start day, or UNPLACED
    area: IntArray  # (devices,) meaningful where areas are part of the search
    use: IntArray  # (capacities, days) devices in inspection
    near: IntArray  # (spacings, start days) spacing base a device of the type would have there
    month_count: IntArray  # (types, months) devices that start in the month
    season_count: IntArray  # (seasons,) devices that start in the season
    area_use: IntArray  # (exclusives, areas, days) devices in inspection in the area
    cost: IntArray  # (levels,) cost of the whole plan


def empty_state(model: Model) -> State:
    """Return the state in which no device is placed."""
    devices, start_days, _ = model.own_cost.shape
    days = len(model.calendar_day)
    return State(
        start=np.full(devices, UNPLACED, dtype=np.int64),
        area=np.zeros(devices, dtype=np.int64),
        use=np.zeros((len(model.capacity_weight), days), dtype=np.int64),
        near=np.zeros((len(model.spacing_weight), start_days), dtype=np.int64),
        month_count=np.zeros((len(model.mates_first) - 1, model.months), dtype=np.int64),
        season_count=np.zeros(len(model.season_weight), dtype=np.int64),
        area_use=np.zeros((len(model.exclusive_weight), model.areas, days), dtype=np.int64),
        cost=model.constant_cost.copy(),
    )


@kernel
def cost_of_placing(model: Model, state: State, device: int, start: int, area: int, out: IntArray) -> None:
    """Write to `out` what placing an unplaced device costs by level."""
    kind = model.type_of[device]
    end = start + model.length[device]
    for level in range(out.shape[0]):
        out[level] = model.own_cost[device, start, level]
    for place in range(model.capacity_first[kind], model.capacity_first[kind + 1]):
        capacity = model.capacity_of[place]
        above = 0
        for day in range(start, end):
            if state.use[capacity, day] >= model.capacity_limit[capacity, day]:
                above += 1
        out[model.capacity_level[capacity]] += above * model.capacity_weight[capacity]
    for spacing in range(model.spacing_first[kind], model.spacing_first[kind + 1]):
        out[model.spacing_level[spacing]] += state.near[spacing, start] * model.spacing_weight[spacing]
    count = state.month_count[kind, model.month_of[start]]
    for entry in range(model.levelling_first[kind], model.levelling_first[kind + 1]):
        off = 10 * count - model.levelling_share[entry]
        out[model.levelling_level[entry]] += (20 * off + 100) * model.levelling_weight[entry]
    for place in range(model.season_first[kind], model.season_first[kind + 1]):
        season = model.season_of[place]
        if model.season_days[season, start] == 1 and state.season_count[season] >= model.season_limit[season]:
            out[model.season_level[season]] += model.season_weight[season]
    for place in range(model.exclusive_first[kind], model.exclusive_first[kind + 1]):
        exclusive = model.exclusive_of[place]
        shared = 0
        for day in range(start, end):
            if state.area_use[exclusive, area, day] >= 1:
                shared += 1
        out[model.exclusive_level[exclusive]] += shared * model.exclusive_weight[exclusive]


@kernel
def cost_of_moving(model: Model, state: State, device: int, start: int, area: int, out: IntArray) -> None:
    """Write to `out` what moving a placed device costs by level; below zero where it saves.

    Only the days that the two inspections do not share are looked at.
    """
    kind = model.type_of[device]
    length = model.length[device]
    before = state.start[device]
    if start >= before:
        leave_first, leave_end = before, min(start, before + length)
        enter_first, enter_end = max(start, before + length), start + length
    else:
        leave_first, leave_end = max(before, start + length), before + length
        enter_first, enter_end = start, min(before, start + length)

    for level in range(out.shape[0]):
        out[level] = model.own_cost[device, start, level] - model.own_cost[device, before, level]
    for place in range(model.capacity_first[kind], model.capacity_first[kind + 1]):
        capacity = model.capacity_of[place]
        above = 0
        for day in range(leave_first, leave_end):
            if state.use[capacity, day] > model.capacity_limit[capacity, day]:
                above -= 1
        for day in range(enter_first, enter_end):
            if state.use[capacity, day] >= model.capacity_limit[capacity, day]:
                above += 1
        out[model.capacity_level[capacity]] += above * model.capacity_weight[capacity]
    apart = abs(model.calendar_day[start] - model.calendar_day[before])
    for spacing in range(model.spacing_first[kind], model.spacing_first[kind + 1]):
        days = model.spacing_days[spacing]
        # The table counts the device itself: its own share is taken out on both sides.
        closer = state.near[spacing, start] - max(0, days - apart) - (state.near[spacing, before] - days)
        out[model.spacing_level[spacing]] += closer * model.spacing_weight[spacing]
    month_before, month = model.month_of[before], model.month_of[start]
    if month != month_before:
        fewer, more = state.month_count[kind, month_before], state.month_count[kind, month]
        for entry in range(model.levelling_first[kind], model.levelling_first[kind + 1]):
            share = model.levelling_share[entry]
            change = 20 * (10 * more - share) - 20 * (10 * fewer - share) + 200
            out[model.levelling_level[entry]] += change * model.levelling_weight[entry]
    for place in range(model.season_first[kind], model.season_first[kind + 1]):
        season = model.season_of[place]
        change = model.season_days[season, start] - model.season_days[season, before]
        if change == 1 and state.season_count[season] >= model.season_limit[season]:
            out[model.season_level[season]] += model.season_weight[season]
        elif change == -1 and state.season_count[season] > model.season_limit[season]:
            out[model.season_level[season]] -= model.season_weight[season]
    area_before = state.area[device]
    if area != area_before:
        leave_first, leave_end, enter_first, enter_end = before, before + length, start, start + length
    for place in range(model.exclusive_first[kind], model.exclusive_first[kind + 1]):
        exclusive = model.exclusive_of[place]
        shared = 0
        for day in range(leave_first, leave_end):
            if state.area_use[exclusive, area_before, day] > 1:
                shared -= 1
        for day in range(enter_first, enter_end):
            if state.area_use[exclusive, area, day] >= 1:
                shared += 1
        out[model.exclusive_level[exclusive]] += shared * model.exclusive_weight[exclusive]


@entry_point
def count(model: Model, state: State, device: int, start: int, area: int, by: int) -> None:
    kind = model.type_of[device]
    end = start + model.length[device]
    for place in range(model.capacity_first[kind], model.capacity_first[kind + 1]):
        capacity = model.capacity_of[place]
        for day in range(start, end):
            state.use[capacity, day] += by
    start_days = state.near.shape[1]
    here = model.calendar_day[start]
    for spacing in range(model.spacing_first[kind], model.spacing_first[kind + 1]):
        days = model.spacing_days[spacing]
        day = start
        while day < start_days and model.calendar_day[day] - here < days:
            state.near[spacing, day] += by * (days - model.calendar_day[day] + here)
            day += 1
        day = start - 1
        while day >= 0 and here - model.calendar_day[day] < days:
            state.near[spacing, day] += by * (days - here + model.calendar_day[day])
            day -= 1
    state.month_count[kind, model.month_of[start]] += by
    for place in range(model.season_first[kind], model.season_first[kind + 1]):
        season = model.season_of[place]
        state.season_count[season] += by * model.season_days[season, start]
    for place in range(model.exclusive_first[kind], model.exclusive_first[kind + 1]):
        exclusive = model.exclusive_of[place]
        for day in range(start, end):
            state.area_use[exclusive, area, day] += by


@kernel
def place(model: Model, state: State, device: int, start: int, area: int, cost: IntArray) -> None:
    """Place an unplaced device at what `cost_of_placing` said it costs."""
    count(model, state, device, start, area, 1)
    state.start[device] = start
    state.area[device] = area
    for level in range(cost.shape[0]):
        state.cost[level] += cost[level]


@kernel
def move(model: Model, state: State, device: int, start: int, area: int, cost: IntArray) -> None:
    """Move a placed device at what `cost_of_moving` said it costs."""
    count(model, state, device, state.start[device], state.area[device], -1)
    count(model, state, device, start, area, 1)
    state.start[device] = start
    state.area[device] = area
    for level in range(cost.shape[0]):
        state.cost[level] += cost[level]


@kernel
def is_less(left: IntArray, right: IntArray) -> bool:
    """Whether one cost is below another, first level first."""
    for level in range(left.shape[0]):
        if left[level] != right[level]:
            return left[level] < right[level]
    return False
