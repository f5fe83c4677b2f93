"""Faults between the parts of a problem: names that are double, or that nothing carries."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from services.planner.schemas.problem_parts import AreaBody, DeviceBody, DeviceTypeBody
from services.planner.schemas.rules import DailyLimitBody, ReturnIntervalBody, ReturnLimitBody, RuleBody

Location: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class CrossFault:
    """A sentence and the place it is about."""

    location: Location
    detail: str


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of a problem that could be read, each with its place in the list it came from.

    A part that could not be read is left out, so that its other faults do not hide those between the rest;
    `incomplete` names the lists that lack something: a name that seems unknown may be carried by a part left out.
    """

    levels: Sequence[str]
    areas: int | Sequence[tuple[int, AreaBody]] | None
    types: Sequence[tuple[int, DeviceTypeBody]]
    devices: Sequence[tuple[int, DeviceBody]]
    rules: Sequence[tuple[int, RuleBody]]
    incomplete: frozenset[str] = frozenset()


def cross_check(parts: Parts) -> list[CrossFault]:
    """Return every fault between the parts."""
    faults = [
        *_doubles("levels", None, enumerate(parts.levels)),
        *_doubles("device_types", "type", ((index, entry.type) for index, entry in parts.types)),
        *_doubles("devices", "id", ((index, entry.id) for index, entry in parts.devices)),
        *_doubles("rules", "name", ((index, entry.name) for index, entry in parts.rules if entry.name is not None)),
        *_rule_levels(parts),
    ]
    if not isinstance(parts.areas, int | None):
        faults.extend(_doubles("areas", "id", ((index, str(entry.id)) for index, entry in parts.areas)))
    if "device_types" not in parts.incomplete:
        faults.extend(_unknown_names(parts))
    if "rules" not in parts.incomplete:
        faults.extend(_rules_that_lean_on_others(parts))
    if not parts.incomplete & {"areas", "rules"}:
        faults.extend(_device_areas(parts))
    return faults


def limit_days(rules: Iterable[RuleBody]) -> int | None:
    """Return the days of the return limit; `None` if there is none, or there are several that differ."""
    days = {entry.days for entry in rules if isinstance(entry, ReturnLimitBody)}
    return days.pop() if len(days) == 1 else None


def default_areas(rules: Iterable[RuleBody]) -> int:
    """Return the number of areas of a problem that does not name them: as many as the daily limit lets in."""
    return max((entry.max for entry in rules if isinstance(entry, DailyLimitBody)), default=0)


def _doubles(name: str, field: str | None, values: Iterable[tuple[int, str]]) -> Iterator[CrossFault]:
    first: dict[str, int] = {}
    for index, value in values:
        if value in first:
            location: Location = (name, index) if field is None else (name, index, field)
            yield CrossFault(location, f"{value!r} is already entry {first[value]}")
        first.setdefault(value, index)


def _rule_levels(parts: Parts) -> Iterator[CrossFault]:
    for index, rule in parts.rules if parts.levels else ():
        if rule.level not in parts.levels:
            yield CrossFault(("rules", index, "level"), f"{rule.level!r} is not one of the levels {list(parts.levels)}")


def _unknown_names(parts: Parts) -> Iterator[CrossFault]:
    types = {entry.type for _, entry in parts.types}
    classes = {entry.device_class for _, entry in parts.types}
    for index, device in parts.devices:
        if device.type not in types:
            yield CrossFault(("devices", index, "type"), f"no device type is named {device.type!r}")
    for index, rule in parts.rules:
        for position, name in enumerate(rule.types or ()):
            if name not in types:
                yield CrossFault(("rules", index, "types", position), f"no device type is named {name!r}")
        if rule.device_class is not None and rule.device_class not in classes:
            yield CrossFault(("rules", index, "class"), f"no device type has class {rule.device_class!r}")
    for index, area in () if isinstance(parts.areas, int | None) else parts.areas:
        for position, name in enumerate(area.types or ()):
            if name not in types:
                yield CrossFault(("areas", index, "types", position), f"no device type is named {name!r}")


def _device_areas(parts: Parts) -> Iterator[CrossFault]:
    number = default_areas(rule for _, rule in parts.rules) if parts.areas is None else parts.areas
    eligible: dict[str, list[str] | None]
    if isinstance(number, int):
        if number < 1:
            yield CrossFault(("areas",), "areas are needed where no daily limit says how many there are")
            return
        eligible = {str(area): None for area in range(1, number + 1)}
    else:
        eligible = {str(area.id): area.types for _, area in number}
    for index, device in parts.devices:
        if device.area is not None and str(device.area) not in eligible:
            yield CrossFault(("devices", index, "area"), f"no area is named {device.area!r}")
        elif device.pinned and device.area is not None and not _takes(eligible[str(device.area)], device.type):
            yield CrossFault(("devices", index, "area"), f"area {device.area!r} does not take type {device.type!r}")
        elif not any(_takes(types, device.type) for types in eligible.values()):
            yield CrossFault(("devices", index, "type"), f"no area takes type {device.type!r}")


def _takes(types: list[str] | None, name: str) -> bool:
    return types is None or name in types


def _rules_that_lean_on_others(parts: Parts) -> Iterator[CrossFault]:
    days = limit_days(rule for _, rule in parts.rules)
    for index, rule in parts.rules:
        if isinstance(rule, ReturnIntervalBody) and rule.days is None and days is None:
            yield CrossFault(
                ("rules", index, "days"), "days are needed: there is not one return limit to take them from"
            )
