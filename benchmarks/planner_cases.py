"""Made-up plants of any size: a plan without a broken hard rule is laid first, and the problem is derived from it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import holidays

FIRST, LAST = date(2019, 4, 1), date(2020, 3, 31)
SEASON = (date(2019, 7, 1), date(2019, 9, 30))
SPACING_DAYS, LIMIT_DAYS = 14, 900
DEVICES_PER_TYPE = 13
INSPECTION_DAYS = (8, 10, 10, 12, 12, 14)
CLASSES = ("large", "standard", "standard", "large", "large", "standard")
ATTEMPTS = 500


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
    days = [day for day in year if day.weekday() < 5 and day not in rest]
    for attempt in range(ATTEMPTS):
        chance = random.Random(seed * 1000 + attempt)
        types = list(_types(devices, chance))
        laid = _lay(types, days, areas, chance)
        if laid is not None:
            free = sorted(day for day in rest if FIRST <= day <= LAST)
            return _document(types, laid, days=days, areas=areas, rest=free, chance=chance)
    raise ValueError(f"{devices} devices do not fit into {areas} areas")


def _types(devices: int, chance: random.Random) -> Iterator[_Type]:
    count = max(6, round(devices / DEVICES_PER_TYPE))
    for index in range(count):
        members = devices // count + (index < devices % count)
        yield _Type(f"T{index + 1:03d}", chance.choice(INSPECTION_DAYS), CLASSES[index % len(CLASSES)], members)


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
    devices, assignments = [], []
    for number, entry in enumerate(sorted(laid, key=lambda entry: entry.start)):
        area = next(index for index in range(areas) if free_from[index] <= entry.start)
        free_from[area] = entry.start + entry.type.days
        interval = int(min(LIMIT_DAYS, max(420, LIMIT_DAYS - abs(chance.gauss(0, 150)))))
        device = f"{entry.type.name}-{number:04d}"
        previous = days[entry.start] - timedelta(interval)
        devices.append({"id": device, "type": entry.type.name, "previous_end": previous.isoformat()})
        assignments.append({"device": device, "start": days[entry.start].isoformat(), "area": area + 1})
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
