"""Problems and plans for the tests, with a default for everything a test is not about."""

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from services.planner.domain.arrays import frozen_ints
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem
from services.planner.schemas.problem import parse_problem

Document = dict[str, Any]

RULE_NAMES = (
    "daily_limit",
    "area_exclusive",
    "return_limit",
    "return_interval",
    "busy_season",
    "same_type_spacing",
    "monthly_levelling",
    "condition",
    "earliest_start",
    "disruption",
)


class NoHolidays:
    """A holiday source of countries that never rest."""

    def public_holidays(self, _country: str, _first_year: int, _last_year: int) -> frozenset[date]:
        return frozenset()


def rule(kind: str, /, **fields: object) -> Document:
    """A rule of weight 1 on the last level."""
    return {"rule": kind, "level": "soft", "weight": 1, **fields}


def document(
    *,
    types: Mapping[str, int] | None = None,
    devices: Sequence[Document] | None = None,
    rules: Sequence[Document] = (),
    start: str = "2019-04-01",
    end: str = "2019-04-30",
    **fields: object,
) -> Document:
    """A problem: two devices of type A that take 3 days each, in April 2019, every weekday worked."""
    types = {"A": 3} if types is None else types
    if devices is None:
        devices = [{"id": "A1"}, {"id": "A2"}]
    kinds = [{"type": name, "inspection_days": days} for name, days in types.items()]
    classes = fields.pop("classes", {})
    assert isinstance(classes, dict)
    for kind in kinds:
        if kind["type"] in classes:
            kind["class"] = classes[kind["type"]]
    return {
        "horizon": {"start": start, "end": end, **({"work_may_cross_end": True} if fields.pop("cross", False) else {})},
        "calendar": {},
        "areas": 2,
        "device_types": kinds,
        "devices": [{"type": "A", "previous_end": "2017-04-01", **entry} for entry in devices],
        "rules": [dict(entry) for entry in rules],
        **fields,
    }


def problem(**fields: Any) -> Problem:
    """The problem of `document`, read."""
    return parse_problem(document(**fields), NoHolidays())


def plan(of: Problem, starts: Sequence[str], areas: Sequence[int] | None = None) -> Plan:
    """A plan with these start dates (`MM-DD` of 2019), everything in the first area unless told."""
    index = {day: position for position, day in enumerate(of.days)}
    days = [index[date.fromisoformat(f"2019-{start}")] for start in starts]
    return Plan(frozen_ints(days), frozen_ints(areas if areas is not None else [0] * len(days)))


def random_plan(of: Problem, seed: int) -> Plan:
    """A valid plan that respects nothing but the eligibility of areas."""
    chance = random.Random(seed)
    starts = [chance.randrange(int(count)) for count in of.start_count]
    areas = [
        chance.choice([index for index, area in enumerate(of.areas) if of.takes(area, device.type)])
        for device in of.devices
    ]
    return Plan(frozen_ints(starts), frozen_ints(areas))


def random_fields(chance: random.Random, name: str, days: list[date]) -> Document:
    """Fields of a rule, inside the horizon of `days`."""
    fields: Document = {}
    if name in ("return_limit", "return_interval"):
        fields["days"] = chance.randint(300, 800)
    if name == "same_type_spacing":
        fields["days"] = chance.randint(0, 30)
    if name in ("daily_limit", "busy_season"):
        fields["max"] = chance.randint(0, 4)
    if name == "busy_season":
        fields["from"], fields["to"] = (day.isoformat() for day in sorted(chance.sample(days, 2)))
        fields["count"] = chance.choice(["simultaneous", "starts"])
    if name == "earliest_start":
        fields["from"] = chance.choice(days).isoformat()
    if name == "disruption":
        fields["count"] = chance.choice(["days", "devices"])
    return fields


def random_document(seed: int, *, restricted: bool = False, longest_days: int = 100) -> Document:
    """A small problem with any rules, scopes, levels and weights."""
    chance = random.Random(seed)
    first = date(2019, 4, 1) + timedelta(chance.randrange(40))
    last = first + timedelta(chance.randint(longest_days // 3, longest_days))
    types = {f"T{index}": chance.randint(1, 8) for index in range(chance.randint(1, 4))}
    classes = {name: chance.choice(["large", "small"]) for name in types}
    areas: int | list[Document] = chance.randint(1, 4)
    if restricted:
        names = sorted(types)
        areas = [{"id": "all"}] + [
            {"id": f"R{index}", "types": chance.sample(names, chance.randint(1, len(names)))} for index in range(2)
        ]
    days = [first + timedelta(offset) for offset in range((last - first).days + 1)]

    def scope() -> Document:
        draw = chance.random()
        if draw < 0.2:
            return {"types": chance.sample(sorted(types), chance.randint(1, len(types)))}
        return {"class": chance.choice(sorted(set(classes.values())))} if draw < 0.4 else {}

    def some_rule() -> Document:
        name = chance.choice(RULE_NAMES)
        fields = random_fields(chance, name, days)
        weight = chance.choice([0, 1, 7, 100, "0.5", "12.345"])
        level = chance.choice(["hard", "medium", "soft"])
        return {"rule": name, "level": level, "weight": weight, **fields, **scope()}

    devices = [
        {
            "id": f"D{index}",
            "type": chance.choice(sorted(types)),
            "previous_end": (first - timedelta(chance.randint(200, 900))).isoformat(),
            **({"condition_due": chance.choice(days).isoformat()} if chance.random() < 0.3 else {}),
            **({"start": chance.choice(days).isoformat()} if chance.random() < 0.3 else {}),
        }
        for index in range(chance.randint(1, 14))
    ]
    return document(
        types=types,
        classes=classes,
        devices=devices,
        rules=[some_rule() for _ in range(chance.randint(1, 9))],
        start=first.isoformat(),
        end=last.isoformat(),
        areas=areas,
        cross=chance.random() < 0.3,
    )


def as_ints(values: Sequence[int]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """An int64 array."""
    return np.array(values, dtype=np.int64)
