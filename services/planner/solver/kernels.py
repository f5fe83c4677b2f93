"""The score kept up to date: what placing, moving or removing one device costs, in compiled code.

Every function is plain arithmetic on the arrays of `Model` and `State`; the tests hold their sums equal to the score of
`domain.scoring` over random problems and moves.
"""

from typing import NamedTuple, TypeAlias, cast

import numpy as np

from services.planner.domain.arrays import IntArray
from services.planner.solver.compiled import kernel, subroutine
from services.planner.solver.model import Model

# Of a fixed type: Numba compiles a function once more for a number that it knows, and these meet every kernel.
UNPLACED = cast("int", np.int64(-1))

Spot: TypeAlias = tuple[int, int]  # start day and area
Span: TypeAlias = tuple[int, int]  # first day and the day after the last; or the start days before and after a move


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
def cost_of_placing(model: Model, state: State, device: int, target: Spot, out: IntArray) -> None:
    """Write to `out` what placing an unplaced device costs by level."""
    kind = model.type_of[device]
    start, area = target
    for level in range(out.shape[0]):
        out[level] = model.own_cost[device, start, level]
    starts = (UNPLACED, start)
    days = (start, start + model.length[device])
    add_entered_days(model, state, kind, days, out)
    add_spacing(model, state, kind, starts, out)
    add_levelling(model, state, kind, starts, out)
    add_seasons(model, state, kind, starts, out)
    add_entered_area(model, state, (kind, area), days, out)


@kernel
def cost_of_moving(model: Model, state: State, device: int, target: Spot, out: IntArray) -> None:
    """Write to `out` what moving a placed device costs by level; below zero where it saves."""
    kind, length = model.type_of[device], model.length[device]
    before, area_before = state.start[device], state.area[device]
    start, area = target
    for level in range(out.shape[0]):
        out[level] = model.own_cost[device, start, level] - model.own_cost[device, before, level]
    # Only the days that the two inspections do not share are looked at.
    if start >= before:
        left = (before, min(start, before + length))
        entered = (max(start, before + length), start + length)
    else:
        left = (max(before, start + length), before + length)
        entered = (start, min(before, start + length))
    starts = (before, start)
    add_left_days(model, state, kind, left, out)
    add_entered_days(model, state, kind, entered, out)
    add_spacing(model, state, kind, starts, out)
    add_levelling(model, state, kind, starts, out)
    add_seasons(model, state, kind, starts, out)
    if area != area_before:
        left, entered = (before, before + length), (start, start + length)
    add_left_area(model, state, (kind, area_before), left, out)
    add_entered_area(model, state, (kind, area), entered, out)


@kernel
def add_entered_days(model: Model, state: State, kind: int, days: Span, out: IntArray) -> None:
    """Add what one more device of a type costs by daily limits and busy seasons."""
    for place in range(model.capacity_first[kind], model.capacity_first[kind + 1]):
        capacity = model.capacity_of[place]
        full = 0
        for day in range(days[0], days[1]):
            if state.use[capacity, day] >= model.capacity_limit[capacity, day]:
                full += 1
        out[model.capacity_level[capacity]] += full * model.capacity_weight[capacity]


@kernel
def add_left_days(model: Model, state: State, kind: int, days: Span, out: IntArray) -> None:
    """Take off what one device of a type less saves by daily limits and busy seasons."""
    for place in range(model.capacity_first[kind], model.capacity_first[kind + 1]):
        capacity = model.capacity_of[place]
        over = 0
        for day in range(days[0], days[1]):
            if state.use[capacity, day] > model.capacity_limit[capacity, day]:
                over += 1
        out[model.capacity_level[capacity]] -= over * model.capacity_weight[capacity]


@kernel
def add_entered_area(model: Model, state: State, kind_and_area: Spot, days: Span, out: IntArray) -> None:
    """Add what one more device of a type costs in an area."""
    kind, area = kind_and_area
    for place in range(model.exclusive_first[kind], model.exclusive_first[kind + 1]):
        exclusive = model.exclusive_of[place]
        taken = 0
        for day in range(days[0], days[1]):
            if state.area_use[exclusive, area, day] >= 1:
                taken += 1
        out[model.exclusive_level[exclusive]] += taken * model.exclusive_weight[exclusive]


@kernel
def add_left_area(model: Model, state: State, kind_and_area: Spot, days: Span, out: IntArray) -> None:
    """Take off what one device of a type less saves in an area."""
    kind, area = kind_and_area
    for place in range(model.exclusive_first[kind], model.exclusive_first[kind + 1]):
        exclusive = model.exclusive_of[place]
        shared = 0
        for day in range(days[0], days[1]):
            if state.area_use[exclusive, area, day] > 1:
                shared += 1
        out[model.exclusive_level[exclusive]] -= shared * model.exclusive_weight[exclusive]


@kernel
def add_spacing(model: Model, state: State, kind: int, starts: Span, out: IntArray) -> None:
    """Add the change of spacing costs for a device that goes from one start to another, or comes in."""
    before, start = starts
    for spacing in range(model.spacing_first[kind], model.spacing_first[kind + 1]):
        closer = state.near[spacing, start]
        if before != UNPLACED:
            # The table counts the device itself where it stands: its own share is taken out on both sides.
            days = model.spacing_days[spacing]
            apart = abs(model.calendar_day[start] - model.calendar_day[before])
            closer -= max(0, days - apart) + state.near[spacing, before] - days
        out[model.spacing_level[spacing]] += closer * model.spacing_weight[spacing]


@kernel
def add_levelling(model: Model, state: State, kind: int, starts: Span, out: IntArray) -> None:
    """Add the change of levelling costs, from differences of (10 devices - share)^2 in the months entered and left."""
    before, start = starts
    month = model.month_of[start]
    month_before = model.month_of[before] if before != UNPLACED else UNPLACED
    if month == month_before:
        return
    more = state.month_count[kind, month]
    for entry in range(model.levelling_first[kind], model.levelling_first[kind + 1]):
        share = model.levelling_share[entry]
        change = 20 * (10 * more - share) + 100
        if month_before != UNPLACED:
            change -= 20 * (10 * state.month_count[kind, month_before] - share) - 100
        out[model.levelling_level[entry]] += change * model.levelling_weight[entry]


@kernel
def add_seasons(model: Model, state: State, kind: int, starts: Span, out: IntArray) -> None:
    """Add the change of costs for those sent in during a season."""
    before, start = starts
    for place in range(model.season_first[kind], model.season_first[kind + 1]):
        season = model.season_of[place]
        was = model.season_days[season, before] if before != UNPLACED else 0
        change = model.season_days[season, start] - was
        count_now, limit = state.season_count[season], model.season_limit[season]
        if change == 1 and count_now >= limit:
            out[model.season_level[season]] += model.season_weight[season]
        elif change == -1 and count_now > limit:
            out[model.season_level[season]] -= model.season_weight[season]


# Not copied: it is long, and most moves that are tried are not made.
@subroutine
def count(model: Model, state: State, device: int, by: int) -> None:
    """Count a device in (1) or out (-1) where it stands."""
    kind, start, area = model.type_of[device], state.start[device], state.area[device]
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
def place_device(model: Model, state: State, device: int, target: Spot, cost: IntArray) -> None:
    """Place an unplaced device at what `cost_of_placing` said it costs."""
    state.start[device], state.area[device] = target
    count(model, state, device, 1)
    for level in range(cost.shape[0]):
        state.cost[level] += cost[level]


@kernel
def move_device(model: Model, state: State, device: int, target: Spot, cost: IntArray) -> None:
    """Move a placed device at what `cost_of_moving` said it costs."""
    count(model, state, device, -1)
    state.start[device], state.area[device] = target
    count(model, state, device, 1)
    for level in range(cost.shape[0]):
        state.cost[level] += cost[level]


@kernel
def is_less(left: IntArray, right: IntArray) -> bool:
    """Whether one cost is below another, first level first."""
    for level in range(left.shape[0]):
        if left[level] != right[level]:
            return bool(left[level] < right[level])
    return False
