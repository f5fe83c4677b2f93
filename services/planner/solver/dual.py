"""The Lagrangian dual of a problem: prices for everything devices share, and what the best plan costs at those prices.

Each device goes, alone, to the start that is cheapest for it; what it shares with others (days, months, windows of
spacing) it pays for at prices. Whatever the prices, no plan can cost less than the sum [1]_. Spacing is priced exactly:
for two devices `days - apart` windows of `days` calendar days hold both, so its base is the sum of n (n - 1) / 2 over
all windows.

References
----------
.. [1] Geoffrion (1974), Lagrangean relaxation for integer programming, Mathematical Programming Study 2
"""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from services.planner.domain.arrays import IntArray
from services.planner.solver.compiled import entry_point, kernel

FloatArray: TypeAlias = npt.NDArray[np.float64]


class Relaxation(NamedTuple):
    """What the dual reads. Costs are points below zero turned positive [10**-decimals points]."""

    type_of: IntArray  # (devices,)
    own_cost: FloatArray  # (devices, start days) infinite where the device may not start
    length: IntArray  # (types,) working days
    devices_of: IntArray  # (types,) number of devices
    calendar_day: IntArray  # (start days,)
    month_of: IntArray  # (start days,)

    capacity_covers: IntArray  # (capacities, types) 0 or 1
    capacity_limit: FloatArray  # (capacities, days)
    season_covers: IntArray  # (seasons, types) 0 or 1
    season_days: IntArray  # (seasons, start days) 0 or 1
    season_limit: FloatArray  # (seasons,)
    spacing_type: IntArray  # (spacings,)
    spacing_days: IntArray  # (spacings,) calendar days
    spacing_weight: FloatArray  # (spacings,) infinite where no two devices may be closer
    levelling_weight: FloatArray  # (types,) 0 where nothing is levelled
    levelling_share: FloatArray  # (types,) tenths of a device


class Prices(NamedTuple):
    """A price for each thing shared, or the slope of the dual there."""

    capacity: FloatArray  # (capacities, days)
    season: FloatArray  # (seasons,)
    window: FloatArray  # (spacings, windows)
    month: FloatArray  # (types, months)


class Workspace(NamedTuple):
    """Scratch of the dual."""

    price: FloatArray  # (types, start days) of everything a start shares
    taken: IntArray  # (types, start days) devices that choose the start
    prefix: FloatArray  # (longest row + 1,)


@entry_point
def dual_value(relaxed: Relaxation, prices: Prices, slope: Prices, work: Workspace) -> float:
    """Return the dual at these prices, and write its slope."""
    _price_starts(relaxed, prices, work)
    value = _choose_starts(relaxed, work)
    value += _value_of_days(relaxed, prices, slope, work)
    value += _value_of_windows(relaxed, prices, slope, work)
    value += _value_of_months(relaxed, prices, slope, work)
    return value


@kernel
def _price_starts(relaxed: Relaxation, prices: Prices, work: Workspace) -> None:
    kinds, starts = work.price.shape
    for kind in range(kinds):
        for start in range(starts):
            work.price[kind, start] = prices.month[kind, relaxed.month_of[start]]
    _price_days(relaxed, prices, work)
    _price_windows(relaxed, prices, work)


@kernel
def _price_days(relaxed: Relaxation, prices: Prices, work: Workspace) -> None:
    kinds, starts = work.price.shape
    days = prices.capacity.shape[1]
    for row in range(prices.capacity.shape[0]):
        work.prefix[0] = 0.0
        for day in range(days):
            work.prefix[day + 1] = work.prefix[day] + prices.capacity[row, day]
        for kind in range(kinds):
            if relaxed.capacity_covers[row, kind] == 1:
                for start in range(min(starts, days - relaxed.length[kind] + 1)):
                    work.price[kind, start] += work.prefix[start + relaxed.length[kind]] - work.prefix[start]
    for row in range(prices.season.shape[0]):
        for kind in range(kinds):
            if relaxed.season_covers[row, kind] == 1:
                for start in range(starts):
                    work.price[kind, start] += relaxed.season_days[row, start] * prices.season[row]


@kernel
def _price_windows(relaxed: Relaxation, prices: Prices, work: Workspace) -> None:
    for row in range(prices.window.shape[0]):
        kind, width = relaxed.spacing_type[row], relaxed.spacing_days[row]
        work.prefix[0] = 0.0
        for window in range(prices.window.shape[1]):
            work.prefix[window + 1] = work.prefix[window] + prices.window[row, window]
        for start in range(work.price.shape[1]):
            day = relaxed.calendar_day[start]
            work.price[kind, start] += work.prefix[day + width] - work.prefix[day]


@kernel
def _choose_starts(relaxed: Relaxation, work: Workspace) -> float:
    value = 0.0
    for kind in range(work.taken.shape[0]):
        for start in range(work.taken.shape[1]):
            work.taken[kind, start] = 0
    for device in range(relaxed.own_cost.shape[0]):
        kind = relaxed.type_of[device]
        chosen, lowest = 0, np.inf
        for start in range(relaxed.own_cost.shape[1]):
            cost = relaxed.own_cost[device, start] + work.price[kind, start]
            if cost < lowest:
                chosen, lowest = start, cost
        work.taken[kind, chosen] += 1
        value += lowest
    return value


@kernel
def _value_of_days(relaxed: Relaxation, prices: Prices, slope: Prices, work: Workspace) -> float:
    value = 0.0
    kinds, starts = work.price.shape
    days = prices.capacity.shape[1]
    for row in range(prices.capacity.shape[0]):
        for day in range(days + 1):
            work.prefix[day] = 0.0
        for kind in range(kinds):
            if relaxed.capacity_covers[row, kind] == 1:
                for start in range(min(starts, days - relaxed.length[kind] + 1)):
                    work.prefix[start] += work.taken[kind, start]
                    work.prefix[start + relaxed.length[kind]] -= work.taken[kind, start]
        present = 0.0
        for day in range(days):
            present += work.prefix[day]
            slope.capacity[row, day] = present - relaxed.capacity_limit[row, day]
            value -= prices.capacity[row, day] * relaxed.capacity_limit[row, day]
    for row in range(prices.season.shape[0]):
        sent = 0
        for kind in range(kinds):
            for start in range(starts):
                sent += relaxed.season_covers[row, kind] * relaxed.season_days[row, start] * work.taken[kind, start]
        slope.season[row] = sent - relaxed.season_limit[row]
        value -= prices.season[row] * relaxed.season_limit[row]
    return value


@kernel
def _value_of_windows(relaxed: Relaxation, prices: Prices, slope: Prices, work: Workspace) -> float:
    value = 0.0
    windows = prices.window.shape[1]
    for row in range(prices.window.shape[0]):
        kind, width, weight = relaxed.spacing_type[row], relaxed.spacing_days[row], relaxed.spacing_weight[row]
        for window in range(windows + 1):
            work.prefix[window] = 0.0
        for start in range(work.taken.shape[1]):
            day = relaxed.calendar_day[start]
            work.prefix[day] += work.taken[kind, start]
            work.prefix[day + width] -= work.taken[kind, start]
        present = 0.0
        for window in range(windows):
            present += work.prefix[window]
            price = prices.window[row, window]
            most = relaxed.devices_of[kind] if weight < np.inf else 1
            count = 0
            # One more device in the window costs `count` pairs and earns its price.
            while count < most and (count == 0 or weight * count < price) and price > 0.0:
                count += 1
            pairs = 0.5 * count * (count - 1)
            value += (weight * pairs if count > 1 else 0.0) - price * count
            slope.window[row, window] = present - count
    return value


@kernel
def _value_of_months(relaxed: Relaxation, prices: Prices, slope: Prices, work: Workspace) -> float:
    value = 0.0
    kinds, months = prices.month.shape
    for kind in range(kinds):
        weight, share = relaxed.levelling_weight[kind], relaxed.levelling_share[kind]
        for month in range(months):
            slope.month[kind, month] = 0.0
        if weight == 0.0:
            continue
        for start in range(work.taken.shape[1]):
            slope.month[kind, relaxed.month_of[start]] += work.taken[kind, start]
        for month in range(months):
            price = prices.month[kind, month]
            count = 0
            # One more device changes the square by 20 (10 count - share) + 100.
            while count < relaxed.devices_of[kind] and weight * (20.0 * (10.0 * count - share) + 100.0) < price:
                count += 1
            value += weight * (10.0 * count - share) ** 2 - price * count
            slope.month[kind, month] -= count
    return value
