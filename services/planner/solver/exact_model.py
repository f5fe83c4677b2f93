"""A problem, or a part of it with the rest of the plan left where it is, as a model of CP-SAT.

Costs are those of `kernels`, written so that they are linear in decisions: what one device more costs on a day, in a
month or in a window of spacing never falls, so that the cheapest steps are taken first by themselves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from services.planner.domain.arrays import IntArray
from services.planner.solver.kernels import State
from services.planner.solver.model import Model
from services.planner.solver.moves import NOBODY


@dataclass(frozen=True, slots=True)
class Placing:
    """What may be decided: a range of start days, the last one excluded, for each free device; its area always is."""

    ranges: Mapping[int, tuple[int, int]]


# Device, start day, and area; nobody's where any area does.
Place: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ExactModel:
    """A model of CP-SAT; `cost` has the whole plan's cost of each level as a linear expression."""

    model: Any  # CpModel; the package is loaded when it is first needed
    places: dict[Place, Any]  # what may be decided
    cost: list[Any]


def areas_to_decide(model: Model) -> int:
    """Return between how many areas there is to decide at most; 1 where any area does."""
    return max(1, int(model.eligible.sum(axis=1).max(initial=1))) if len(model.exclusive_weight) else 1


def exact_model(model: Model, fixed: State, placing: Placing) -> ExactModel:
    """Write the model down.

    Parameters
    ----------
    model
        The problem.
    fixed
        The plan without the free devices.
    placing
        Which devices are free, and where they may go.
    """
    # Loading the package takes most of a second, and many a search has no use for it.
    from ortools.sat.python import cp_model  # noqa: PLC0415

    writer = _Writer(cp_model.CpModel(), model, fixed, placing)
    terms = writer.terms()
    cost = [
        int(fixed.cost[level])
        + cp_model.LinearExpr.weighted_sum([term[0] for term in entries], [t[1] for t in entries])
        for level, entries in enumerate(terms)
    ]
    return ExactModel(writer.target, writer.places, cost)


class _Writer:
    def __init__(self, target: Any, model: Model, fixed: State, placing: Placing) -> None:
        self.target = target
        self.places: dict[Place, Any] = {}
        self._model = model
        self._fixed = fixed
        self._by_type: dict[int, dict[int, list[Any]]] = {}
        self._by_area: dict[tuple[int, int], dict[int, list[Any]]] = {}
        for device, (first, end) in placing.ranges.items():
            days = range(max(0, first), min(end, int(model.start_count[device])))
            areas = np.flatnonzero(model.eligible[device]).tolist() if len(model.exclusive_weight) else [NOBODY]
            kind = int(model.type_of[device])
            mine = {(device, day, area): target.new_bool_var("") for day in days for area in areas}
            target.add_exactly_one(mine.values())
            self.places |= mine
            for (_, day, area), decision in mine.items():
                self._by_type.setdefault(kind, {}).setdefault(day, []).append(decision)
                self._by_area.setdefault((kind, area), {}).setdefault(day, []).append(decision)

    def terms(self) -> list[list[tuple[Any, int]]]:
        """Return what each level adds up: decisions and what they cost."""
        levels: list[list[tuple[Any, int]]] = [[] for _ in range(len(self._fixed.cost))]
        for (device, day, _), decision in self.places.items():
            for level, entries in enumerate(levels):
                if own := int(self._model.own_cost[device, day, level]):
                    entries.append((decision, own))
        for level, decision, cost in (
            *self._days(),
            *self._areas(),
            *self._seasons(),
            *self._months(),
            *self._spacing(),
        ):
            if cost:
                levels[level].append((decision, cost))
        return levels

    def _days(self) -> Iterator[tuple[int, Any, int]]:
        model = self._model
        for capacity in range(len(model.capacity_weight)):
            present: dict[int, list[Any]] = {}
            for kind, by_day in self._by_type.items():
                if capacity in model.capacity_of[model.capacity_first[kind] : model.capacity_first[kind + 1]]:
                    self._add_worked(present, kind, by_day)
            weight, level = int(model.capacity_weight[capacity]), int(model.capacity_level[capacity])
            for day, decisions in present.items():
                room = int(model.capacity_limit[capacity, day] - self._fixed.use[capacity, day])
                yield from ((level, above, weight) for above in self._above(decisions, room))

    def _areas(self) -> Iterator[tuple[int, Any, int]]:
        model = self._model
        for exclusive in range(len(model.exclusive_weight)):
            present: dict[tuple[int, int], list[Any]] = {}
            for (kind, area), by_day in self._by_area.items():
                if exclusive in model.exclusive_of[model.exclusive_first[kind] : model.exclusive_first[kind + 1]]:
                    worked: dict[int, list[Any]] = {}
                    self._add_worked(worked, kind, by_day)
                    for day, decisions in worked.items():
                        present.setdefault((area, day), []).extend(decisions)
            weight, level = int(model.exclusive_weight[exclusive]), int(model.exclusive_level[exclusive])
            for (area, day), decisions in present.items():
                room = 1 - int(self._fixed.area_use[exclusive, area, day])
                yield from ((level, above, weight) for above in self._above(decisions, room))

    def _add_worked(self, present: dict[int, list[Any]], kind: int, by_day: Mapping[int, list[Any]]) -> None:
        """Add to each working day the decisions by which a device of a type is in inspection on it."""
        length = self._length(kind)
        for day, decisions in by_day.items():
            for worked in range(day, day + length):
                present.setdefault(worked, []).extend(decisions)

    def _length(self, kind: int) -> int:
        return int(self._model.length[np.argmax(self._model.type_of == kind)])

    def _above(self, decisions: list[Any], room: int) -> Iterator[Any]:
        """Yield the number of decisions taken above the room there is."""
        room = max(room, 0)
        if len(decisions) > room:
            above = self.target.new_int_var(0, len(decisions) - room, "")
            self.target.add(above >= sum(decisions) - room)
            yield above

    def _seasons(self) -> Iterator[tuple[int, Any, int]]:
        model = self._model
        for season in range(len(model.season_weight)):
            inside = [
                decision
                for kind, by_day in self._by_type.items()
                if season in model.season_of[model.season_first[kind] : model.season_first[kind + 1]]
                for day, decisions in by_day.items()
                if model.season_days[season, day]
                for decision in decisions
            ]
            room = int(model.season_limit[season] - self._fixed.season_count[season])
            for above in self._above(inside, room):
                yield int(model.season_level[season]), above, int(model.season_weight[season])

    def _months(self) -> Iterator[tuple[int, Any, int]]:
        model = self._model
        for kind, by_day in self._by_type.items():
            entries = range(int(model.levelling_first[kind]), int(model.levelling_first[kind + 1]))
            if not entries:
                continue
            by_month: dict[int, list[Any]] = {}
            for day, decisions in by_day.items():
                by_month.setdefault(int(model.month_of[day]), []).extend(decisions)
            most = sum(1 for device, _ in self._devices(kind))
            for month, decisions in by_month.items():
                steps = [self.target.new_bool_var("") for _ in range(most)]
                self.target.add(sum(steps) == sum(decisions))
                there = int(self._fixed.month_count[kind, month])
                for number, step in enumerate(steps):
                    for entry in entries:
                        rise = 20 * (10 * (there + number) - int(model.levelling_share[entry])) + 100
                        yield int(model.levelling_level[entry]), step, rise * int(model.levelling_weight[entry])

    def _devices(self, kind: int) -> Iterator[tuple[int, int]]:
        seen = {device for device, _, _ in self.places if self._model.type_of[device] == kind}
        yield from ((device, kind) for device in sorted(seen))

    def _spacing(self) -> Iterator[tuple[int, Any, int]]:
        model = self._model
        for kind, by_day in self._by_type.items():
            most = sum(1 for _ in self._devices(kind))
            for spacing in range(int(model.spacing_first[kind]), int(model.spacing_first[kind + 1])):
                weight, level = int(model.spacing_weight[spacing]), int(model.spacing_level[spacing])
                for day, decisions in by_day.items():
                    near = int(self._fixed.near[spacing, day]) * weight
                    yield from ((level, decision, near) for decision in decisions)
                for (first, last), windows in _windows(model.calendar_day, int(model.spacing_days[spacing])).items():
                    inside = [decision for day in range(first, last + 1) for decision in by_day.get(day, ())]
                    # Two in a window cost one pair, three cost three: each one more as many as are there already.
                    steps = [self.target.new_bool_var("") for _ in range(min(most, len(inside)) - 1)]
                    if steps:
                        self.target.add(sum(inside) <= 1 + sum(steps))
                    for number, step in enumerate(steps, start=1):
                        yield level, step, number * windows * weight


def _windows(calendar_day: IntArray, days: int) -> dict[tuple[int, int], int]:
    """Return the first and last working day of every window of so many calendar days, and how many have those."""
    first_days = np.arange(int(calendar_day[0]) - days + 1, int(calendar_day[-1]) + 1)
    first = np.searchsorted(calendar_day, first_days)
    last = np.searchsorted(calendar_day, first_days + days - 1, side="right") - 1
    found: dict[tuple[int, int], int] = {}
    for window in zip(first.tolist(), last.tolist(), strict=True):
        if window[0] <= window[1]:
            found[window] = found.get(window, 0) + 1
    return found
