"""Made-up plants of any size: a plan without a broken hard rule is laid first, and the problem is derived from it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import holidays

FIRST, LAST = date(2019, 4, 1), date(2020, 3, 31)
SEASON = (date(2019, 7, 1), date(2019, 9, 30))
SPACING_DAYS, LIMIT_DAYS = 14, 900
DEVICES_PER_TYPE = 13
FEWEST_TYPES, MOST_LETTERS = 6, 26
# Of a plant of six types, by type and with its own number of devices of each; of a larger one, drawn.
SIX_TYPES_DAYS, SIX_TYPES_DEVICES = (16, 16, 12, 20, 16, 14), (13, 13, 12, 10, 13, 11)
INSPECTION_DAYS = (8, 10, 10, 12, 12, 14)
CLASSES = ("large", "standard", "standard", "large", "large", "standard")
ATTEMPTS = 500
FIRST_WEEKEND_DAY = 5


@dataclass(frozen=True, slots=True)
class _Type:
    name: str
    days: int
    device_class: str
    devices: int


@dataclass(frozen=True, slots=True)
class _Laid:
    start: int
    type: _Type


def made_problem(devices: int, areas: int, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a problem of so many devices and areas over a Japanese business year, and the plan it was made around.

    Raises
    ------
    ValueError
        If so many devices do not fit into the areas.
    """
    rest = holidays.country_holidays("JP", years=range(FIRST.year, LAST.year + 1))
    year = (FIRST + timedelta(offset) for offset in range((LAST - FIRST).days + 1))
    days = [day for day in year if day.weekday() < FIRST_WEEKEND_DAY and day not in rest]
    for attempt in range(ATTEMPTS):
        chance = random.Random(seed * 1000 + attempt)
        types = _types(devices, chance)
        laid = _lay(types, days, areas, chance)
        if laid is not None:
            free = sorted(day for day in rest if FIRST <= day <= LAST)
            return _document(types, laid, days=days, areas=areas, rest=free, chance=chance)
    raise ValueError(f"{devices} devices do not fit into {areas} areas")


def _types(devices: int, chance: random.Random) -> list[_Type]:
    number = max(FEWEST_TYPES, round(devices / DEVICES_PER_TYPE))
    names = [chr(ord("A") + index) if number <= MOST_LETTERS else f"T{index + 1:03d}" for index in range(number)]
    if number == FEWEST_TYPES:
        lengths, counts = list(SIX_TYPES_DAYS), list(SIX_TYPES_DEVICES)
    else:
        lengths = [chance.choice(INSPECTION_DAYS) for _ in names]
        counts = [devices // number + (index < devices % number) for index in range(number)]
    while sum(counts) != devices:
        counts[names.index(chance.choice(names))] += 1 if sum(counts) < devices else -1
    return [
        _Type(name, lengths[index], CLASSES[index % len(CLASSES)], counts[index]) for index, name in enumerate(names)
    ]


def _most_large(areas: int) -> int:
    return max(2, round(areas * 0.6))


def _lay(types: Sequence[_Type], days: Sequence[date], areas: int, chance: random.Random) -> list[_Laid] | None:
    """Spread each type over the year, and put every device on the nearest day that breaks no rule."""
    wanted: list[tuple[float, str, _Type]] = []
    for kind in types:
        last_start, offset = len(days) - kind.days, chance.random()
        wanted.extend(((index + offset) * last_start / kind.devices, kind.name, kind) for index in range(kind.devices))
    use, large = [0] * len(days), [0] * len(days)
    starts: dict[str, list[int]] = {kind.name: [] for kind in types}
    in_season = [SEASON[0] <= day <= SEASON[1] for day in days]
    laid = []
    for target, _, kind in sorted(wanted, key=lambda entry: entry[:2]):
        is_large = kind.device_class == "large"
        for start in sorted(range(len(days) - kind.days + 1), key=lambda day: abs(day - target)):
            span = range(start, start + kind.days)
            if any(abs((days[start] - days[other]).days) < SPACING_DAYS for other in starts[kind.name]):
                continue
            if any(use[day] >= areas for day in span):
                continue
            if is_large and any(in_season[day] and large[day] >= _most_large(areas) for day in span):
                continue
            break
        else:
            return None
        for day in range(start, start + kind.days):
            use[day] += 1
            large[day] += is_large
        starts[kind.name].append(start)
        laid.append(_Laid(start, kind))
    return laid


def _document(
    types: Sequence[_Type],
    laid: Sequence[_Laid],
    *,
    days: Sequence[date],
    areas: int,
    rest: Sequence[date],
    chance: random.Random,
) -> tuple[dict[str, Any], dict[str, Any]]:
    free_from = [0] * areas
    area_of: dict[_Laid, int] = {}
    for entry in sorted(laid, key=lambda entry: (entry.start, entry.type.name)):
        area = next(index for index in range(areas) if free_from[index] <= entry.start)
        free_from[area] = entry.start + entry.type.days
        area_of[entry] = area + 1
    starts = {kind.name: sorted(entry.start for entry in laid if entry.type is kind) for kind in types}
    for group in starts.values():
        chance.shuffle(group)
    devices, assignments = [], []
    for kind in types:
        for number, start in enumerate(starts[kind.name]):
            interval = int(min(LIMIT_DAYS, max(420, LIMIT_DAYS - abs(chance.gauss(0, 150)))))
            previous = days[start] - timedelta(interval)
            while previous.weekday() >= FIRST_WEEKEND_DAY:
                previous += timedelta(1)
            device = f"{kind.name}{number + 1:02d}"
            devices.append({"id": device, "type": kind.name, "previous_end": previous.isoformat()})
            area = area_of[_Laid(start, kind)]
            assignments.append({"device": device, "start": days[start].isoformat(), "area": area})
    problem = {
        "name": f"{len(devices)} devices",
        "horizon": {"start": FIRST.isoformat(), "end": LAST.isoformat()},
        "calendar": {"holidays": [day.isoformat() for day in rest]},
        "areas": areas,
        "device_types": [
            {"type": kind.name, "inspection_days": kind.days, "class": kind.device_class} for kind in types
        ],
        "devices": devices,
        "rules": _rules(areas),
    }
    return problem, {"assignments": assignments}


def _rules(areas: int) -> list[dict[str, Any]]:
    season = {"from": SEASON[0].isoformat(), "to": SEASON[1].isoformat(), "max": _most_large(areas)}
    return [
        {"rule": "daily_limit", "level": "hard", "weight": 100, "max": areas},
        {"rule": "area_exclusive", "level": "hard", "weight": 100},
        {"rule": "return_limit", "level": "hard", "weight": 1, "days": LIMIT_DAYS},
        {"rule": "busy_season", "level": "soft", "weight": 100, "class": "large", **season},
        {"rule": "same_type_spacing", "level": "soft", "weight": 10, "days": SPACING_DAYS},
        {"rule": "return_interval", "level": "soft", "weight": 1},
        {"rule": "monthly_levelling", "level": "soft", "weight": 100},
    ]
