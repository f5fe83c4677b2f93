"""A problem laid out for the dual: the costs of its last level, on the premise that the earlier ones are at their best.

The earlier levels turn into restrictions: a start that costs a device more on an earlier level than its best one is
out, and limits are kept. That is right for every plan whose earlier levels cost exactly their `floors`, which is what
the devices cost at least each on its own; and nothing is claimed about other plans.
"""

from dataclasses import dataclass

import numpy as np

from services.planner.domain.arrays import BoolArray, IntArray
from services.planner.domain.constraints.area_exclusive import AreaExclusive
from services.planner.domain.problem import Problem
from services.planner.domain.rule import HUNDREDTHS
from services.planner.solver.dual import FloatArray, Relaxation
from services.planner.solver.model import Model, areas_interchangeable, used_levels


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A relaxation, and what makes its dual a bound.

    Parameters
    ----------
    relaxation
        What the dual reads.
    floors
        Cost of each earlier used level that no plan goes below [10**-decimals points].
    constant
        What every plan costs on the last level beside the dual [10**-decimals points].
    step
        Every cost of the last level is a multiple of it [10**-decimals points].
    capacity_ceiling, season_ceiling, window_ceiling
        Highest sensible price of each row; infinite for what an earlier level forbids.
    """

    relaxation: Relaxation
    floors: tuple[int, ...]
    constant: int
    step: int
    capacity_ceiling: FloatArray
    season_ceiling: FloatArray
    window_ceiling: FloatArray


@dataclass(frozen=True, slots=True)
class _Limit:
    """So many devices of these types at once, each day; what one more costs, infinite on an earlier level."""

    covers: BoolArray
    limit: IntArray
    price: float


def relax(problem: Problem, model: Model) -> Relaxed:
    """Lay a problem out for the dual of its last level."""
    last = _last_level(problem)
    domain, floors = _restrict(problem, model, last)
    own = np.where(domain, model.own_cost[:, :, last] if last < model.own_cost.shape[2] else 0, np.inf)
    limits = _limits(problem, model, last)
    seasons = [
        row for row in range(len(model.season_weight)) if _counts(model.season_level, model.season_weight, row, last)
    ]
    spacings = [
        row for row in range(len(model.spacing_weight)) if _counts(model.spacing_level, model.spacing_weight, row, last)
    ]
    kinds = len(problem.types)
    count = np.bincount(problem.type_of, minlength=kinds)
    span = int(problem.calendar_day[problem.horizon_days - 1]) + 1
    spacing_type = np.repeat(np.arange(kinds), np.diff(model.spacing_first))
    ceiling = [float(model.spacing_weight[row]) if model.spacing_level[row] == last else np.inf for row in spacings]
    constant = 0
    for row in spacings:
        # Beyond the span of the starts every pair is too close by as many days more.
        if model.spacing_level[row] == last and model.spacing_days[row] > span:
            members = int(count[spacing_type[row]])
            beyond = int(model.spacing_days[row]) - span
            constant += int(model.spacing_weight[row]) * beyond * (members * (members - 1) // 2)
    weight, share = _levelling(model, last, kinds)
    relaxation = Relaxation(
        type_of=model.type_of,
        own_cost=own.astype(np.float64),
        length=np.array([entry.inspection_days for entry in problem.types], dtype=np.int64),
        devices_of=count.astype(np.int64),
        calendar_day=model.calendar_day[: problem.horizon_days].copy(),
        month_of=model.month_of,
        capacity_covers=np.array([row.covers for row in limits], dtype=np.int64).reshape(len(limits), kinds),
        capacity_limit=np.array([row.limit for row in limits], dtype=np.float64).reshape(
            len(limits), len(problem.days)
        ),
        season_covers=_season_covers(model, seasons, kinds),
        season_days=model.season_days[seasons].reshape(len(seasons), problem.horizon_days),
        season_limit=model.season_limit[seasons].astype(np.float64),
        spacing_type=spacing_type[spacings].astype(np.int64),
        spacing_days=np.minimum(model.spacing_days[spacings], span),
        spacing_weight=np.array(ceiling, dtype=np.float64),
        levelling_weight=weight,
        levelling_share=share,
    )
    return Relaxed(
        relaxation=relaxation,
        floors=floors,
        constant=constant,
        step=_step(model, domain, last, count),
        capacity_ceiling=np.array([row.price for row in limits], dtype=np.float64),
        season_ceiling=np.array(
            [float(model.season_weight[row]) if model.season_level[row] == last else np.inf for row in seasons],
            dtype=np.float64,
        ),
        # The most that one device more in a window can cost: a pair with every other one.
        window_ceiling=np.array(ceiling, dtype=np.float64) * np.maximum(1, count[spacing_type[spacings]]),
    )


def _last_level(problem: Problem) -> int:
    """Return the index of the last level among those used, or the number of them if no rule is on it."""
    used = used_levels(problem)
    return used.index(problem.levels[-1]) if problem.levels[-1] in used else len(used)


def _counts(level: IntArray, weight: IntArray, row: int, last: int) -> bool:
    return bool(weight[row] > 0 and level[row] <= last)


def _restrict(problem: Problem, model: Model, last: int) -> tuple[BoolArray, tuple[int, ...]]:
    """Return which starts are left to each device, and the floors of the earlier levels."""
    domain = np.arange(problem.horizon_days) < model.start_count[:, np.newaxis]
    day_index = {day: index for index, day in enumerate(problem.days)}
    for index, device in enumerate(problem.devices):
        if device.pinned and device.start is not None:
            domain[index] = np.arange(problem.horizon_days) == day_index[device.start]
    floors = []
    for level in range(min(last, model.own_cost.shape[2])):
        cost = model.own_cost[:, :, level]
        cheapest = np.where(domain, cost, np.iinfo(np.int64).max).min(axis=1)
        domain &= cost == cheapest[:, np.newaxis]
        floors.append(int(cheapest.sum()) + _levelling_floor(problem, model, level))
    return domain, tuple(floors)


def _levelling_floor(problem: Problem, model: Model, level: int) -> int:
    """Return what levelling costs at least on a level, the devices of each type shared out as well as can be."""
    months = model.months
    total = 0
    for kind, devices in enumerate(np.bincount(problem.type_of, minlength=len(problem.types))):
        each, more = divmod(int(devices), months)
        for entry in range(int(model.levelling_first[kind]), int(model.levelling_first[kind + 1])):
            if model.levelling_level[entry] == level:
                share, weight = int(model.levelling_share[entry]), int(model.levelling_weight[entry])
                # The squares are convex: as even as possible is cheapest.
                total += weight * (more * (10 * each + 10 - share) ** 2 + (months - more) * (10 * each - share) ** 2)
    return total


def _limits(problem: Problem, model: Model, last: int) -> list[_Limit]:
    kinds = len(problem.types)
    limits = []
    for row in range(len(model.capacity_weight)):
        if _counts(model.capacity_level, model.capacity_weight, row, last):
            covers = np.array(
                [
                    row in model.capacity_of[model.capacity_first[kind] : model.capacity_first[kind + 1]]
                    for kind in range(kinds)
                ],
                dtype=np.bool_,
            )
            price = float(model.capacity_weight[row]) if model.capacity_level[row] == last else np.inf
            limits.append(_Limit(covers, model.capacity_limit[row], price))
    if not areas_interchangeable(problem):
        limits.extend(_area_limits(problem, last))
    devices = np.bincount(problem.type_of, minlength=kinds)
    # A limit that no day can reach has no price.
    return [
        _Limit(entry.covers, np.minimum(entry.limit, int(devices[entry.covers].sum())), entry.price)
        for entry in limits
        if (entry.limit < devices[entry.covers].sum()).any()
    ]


def _area_limits(problem: Problem, last: int) -> list[_Limit]:
    """Return what exclusive areas of different kinds come to: devices that have only some areas share those.

    On an earlier level that holds for every set of areas. On the last one the costs of overlapping sets must not be
    added up: there it is all areas together.
    """
    levels = used_levels(problem)
    eligible = np.array([[problem.takes(area, kind.name) for area in problem.areas] for kind in problem.types])
    limits = []
    for rule in problem.rules:
        if not isinstance(rule, AreaExclusive) or rule.weight == 0 or levels.index(rule.level) > last:
            continue
        scope = rule.covered_types(problem)
        everywhere = eligible[scope].any(axis=0)
        sets = {everywhere.tobytes(): everywhere}
        price = np.inf
        if levels.index(rule.level) == last:
            price = float(problem.weight_units(rule) * HUNDREDTHS)
        else:
            sets |= {row.tobytes(): row for row in eligible[scope]}
        for areas in sets.values():
            covers = scope & ~(eligible & ~areas).any(axis=1)
            limits.append(_Limit(covers, np.full(len(problem.days), int(areas.sum()), dtype=np.int64), price))
    return limits


def _season_covers(model: Model, seasons: list[int], kinds: int) -> IntArray:
    covers = np.zeros((len(seasons), kinds), dtype=np.int64)
    for kind in range(kinds):
        for season in model.season_of[model.season_first[kind] : model.season_first[kind + 1]]:
            if season in seasons:
                covers[seasons.index(season), kind] = 1
    return covers


def _levelling(model: Model, last: int, kinds: int) -> tuple[FloatArray, FloatArray]:
    """Return weight and share by type; entries of one type have one share, so their weights add up."""
    weight, share = np.zeros(kinds), np.zeros(kinds)
    for kind in range(kinds):
        for entry in range(int(model.levelling_first[kind]), int(model.levelling_first[kind + 1])):
            if model.levelling_level[entry] == last:
                weight[kind] += float(model.levelling_weight[entry])
                share[kind] = float(model.levelling_share[entry])
    return weight, share


def _step(model: Model, domain: BoolArray, last: int, count: IntArray) -> int:
    """Return a number that divides every cost of the last level."""
    if last >= model.own_cost.shape[2]:
        return 1
    parts = [
        np.gcd.reduce(model.own_cost[:, :, last][domain], initial=0),
        *(model.capacity_weight[model.capacity_level == last]),
        *(model.exclusive_weight[model.exclusive_level == last]),
        *(model.season_weight[model.season_level == last]),
        *(model.spacing_weight[model.spacing_level == last]),
    ]
    kind_of = np.repeat(np.arange(len(count)), np.diff(model.levelling_first))
    for entry in np.flatnonzero(model.levelling_level == last):
        squares = (10 * np.arange(int(count[kind_of[entry]]) + 1) - int(model.levelling_share[entry])) ** 2
        parts.append(int(model.levelling_weight[entry]) * int(np.gcd.reduce(squares)))
    return max(1, int(np.gcd.reduce([int(part) for part in parts])))
