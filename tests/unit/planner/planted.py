"""Problems shaped like a plant's year, around a plan that breaks no hard rule."""

import random
from datetime import date, timedelta
from typing import Any

FIRST, LAST = date(2019, 4, 1), date(2020, 3, 31)
SEASON = (date(2019, 7, 1), date(2019, 9, 30))
SPACING_DAYS, LIMIT_DAYS = 14, 900
LENGTHS = {"A": 16, "B": 16, "C": 12, "D": 20, "E": 16, "F": 14}
LARGE = ("A", "D", "E")


def planted_document(*, devices: int, areas: int, seed: int) -> dict[str, Any]:
    """A problem of six types with its `past_plan`: a plan is laid first, and previous ends derived from it."""
    chance = random.Random(seed)
    worked = [day for offset in range(366) if (day := FIRST + timedelta(offset)).weekday() < 5 and day <= LAST]
    laid: list[tuple[int, str, int]] = []
    free_from = [0] * areas
    for number in range(devices):
        kind = list(LENGTHS)[number % len(LENGTHS)]
        area = min(range(areas), key=lambda index: free_from[index])
        start = free_from[area] + chance.randrange(3)
        while any(other == kind and (worked[start] - worked[at]).days < SPACING_DAYS for at, other, _ in laid):
            start += 1
        assert start + LENGTHS[kind] <= len(worked), "too many devices for these areas"
        laid.append((start, kind, area + 1))
        free_from[area] = start + LENGTHS[kind]
    planted, assignments = [], []
    for number, (start, kind, area) in enumerate(laid):
        interval = timedelta(min(LIMIT_DAYS, max(420, int(LIMIT_DAYS - abs(chance.gauss(0, 150))))))
        planted.append(
            {"id": f"{kind}{number:02d}", "type": kind, "previous_end": (worked[start] - interval).isoformat()}
        )
        assignments.append({"device": f"{kind}{number:02d}", "start": worked[start].isoformat(), "area": area})
    return {
        "problem": {
            "horizon": {"start": FIRST.isoformat(), "end": LAST.isoformat()},
            "areas": areas,
            "device_types": [
                {"type": kind, "inspection_days": days, "class": "large" if kind in LARGE else "standard"}
                for kind, days in LENGTHS.items()
            ],
            "devices": planted,
            "rules": [
                {"rule": "daily_limit", "level": "hard", "weight": 100, "max": areas},
                {"rule": "area_exclusive", "level": "hard", "weight": 100},
                {"rule": "return_limit", "level": "hard", "weight": 1, "days": LIMIT_DAYS},
                {"rule": "busy_season", "level": "soft", "weight": 100, "class": "large", "max": max(2, areas * 3 // 5)}
                | {"from": SEASON[0].isoformat(), "to": SEASON[1].isoformat()},
                {"rule": "same_type_spacing", "level": "soft", "weight": 10, "days": SPACING_DAYS},
                {"rule": "return_interval", "level": "soft", "weight": 1},
                {"rule": "monthly_levelling", "level": "soft", "weight": 100},
            ],
        },
        "past_plan": {"assignments": assignments},
    }
