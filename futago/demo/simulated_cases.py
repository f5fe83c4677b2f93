"""The demonstration without data of one's own: the built-in plant, and a small planning problem."""

from datetime import date, timedelta
from itertools import cycle

import numpy as np

from futago.demo.cases import AnomalyCase, PlanningCase, TwinCase
from futago.plant import TAGS, Fault, FaultKind, Plant, yield_dataset
from futago.plant.yields import YIELD_RANGES
from futago.wire import JsonObject

YIELD_ROWS = 3000
SAMPLE_S = 10.0
TRAIN_ROWS = 600
TEST_ROWS = 400
FOULING_AT_ROW = 800
FIRST_DAY, LAST_DAY = date(2026, 4, 1), date(2027, 3, 31)
INSPECTION_DAYS = {"pump": 5, "exchanger": 10, "reactor": 15}
DEVICES_OF_A_TYPE = 8
AREAS = 2


def reactor_yield(model: str, seed: int) -> TwinCase:
    """Yield of the built-in reactor from temperature, pressure and flow."""
    data = yield_dataset(YIELD_ROWS, seed)
    resolution = {tag.name: tag.resolution for tag in TAGS}
    features = tuple(
        {"name": name, "unit": unit, "valid_range": list(YIELD_RANGES[name]), "resolution": resolution[name]}
        for name, unit in zip(data.columns, data.units, strict=True)
    )
    return TwinCase("built-in reactor", model, features, "yield", "%", data.rows, data.target)


def fouling_exchanger(detector: str, seed: int) -> AnomalyCase:
    """A run of the built-in plant whose heat exchanger begins to foul."""
    fouling = Fault(FaultKind.FOULING, FOULING_AT_ROW * SAMPLE_S / 3600.0, severity=0.6, growth_h=0.2)
    run = Plant(seed).run(rows=TRAIN_ROWS + TEST_ROWS, faults=[fouling], sample_s=SAMPLE_S)
    return AnomalyCase("built-in plant, fouling", detector, run.columns, run.rows, run.labels, TRAIN_ROWS)


def small_plant_inspections(seed: int) -> PlanningCase:
    """Twenty-four devices of three types, two areas, one year; the plan by hand takes them as they come."""
    rng = np.random.default_rng(seed)
    devices = [
        {
            "id": f"{kind}-{number + 1}",
            "type": kind,
            "previous_end": (FIRST_DAY - timedelta(days=int(rng.integers(300, 600)))).isoformat(),
        }
        for kind in INSPECTION_DAYS
        for number in range(DEVICES_OF_A_TYPE)
    ]
    problem: JsonObject = {
        "name": "small plant",
        "horizon": {"start": FIRST_DAY.isoformat(), "end": LAST_DAY.isoformat()},
        "calendar": {"weekend": ["sat", "sun"]},
        "areas": AREAS,
        "device_types": [{"type": kind, "inspection_days": days} for kind, days in INSPECTION_DAYS.items()],
        "devices": devices,
        "rules": [
            {"rule": "daily_limit", "level": "hard", "weight": 100, "max": AREAS},
            {"rule": "area_exclusive", "level": "hard", "weight": 100},
            {"rule": "return_limit", "level": "hard", "weight": 1, "days": 900},
            {"rule": "same_type_spacing", "level": "soft", "weight": 10, "days": 14},
            {"rule": "return_interval", "level": "soft", "weight": 1},
            {"rule": "monthly_levelling", "level": "soft", "weight": 100},
        ],
    }
    return PlanningCase("24 devices, 2 areas, a year", problem, {"assignments": _as_they_come(devices)})


def _as_they_come(devices: list[dict[str, str]]) -> list[JsonObject]:
    free = dict.fromkeys(range(1, AREAS + 1), FIRST_DAY)
    assignments: list[JsonObject] = []
    for device, area in zip(devices, cycle(free), strict=False):
        start = _working_days_from(free[area], 0)
        assignments.append({"device": device["id"], "start": start.isoformat(), "area": area})
        free[area] = _working_days_from(start, INSPECTION_DAYS[device["type"]])
    return assignments


def _working_days_from(day: date, count: int) -> date:
    """The working day so many after this one; 0 is this one, or the next that is a working day."""
    while day.weekday() >= 5 or count > 0:
        count -= day.weekday() < 5
        day += timedelta(days=1)
    return day
