"""One value of a row as a caller sends it: a number, or a reading as an OPC UA server reports it.

A reading is an object `{"value": …, "quality": …, "timestamp": …, "unit": …}`. A Good value is used, an Uncertain one
too and the answer says so, and a Bad one is not: the model's fail-safe policy decides what is answered.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np

from services.twin.domain.units import is_same_unit, units_that_fit
from shared.errors import JSON, Fault

LARGEST = sys.float_info.max
_READING_FIELDS = frozenset({"value", "quality", "timestamp", "unit"})


class Quality(StrEnum):
    """How far the source trusts a value (OPC 10000-8, severity bits of the status code)."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One input of a model: its name, its unit, and the closed range that is accepted, if there is one."""

    name: str
    unit: str | None = None
    valid_range: tuple[float, float] | None = None

    def facts(self) -> dict[str, JSON]:
        """What a fault says about the feature it concerns."""
        facts: dict[str, JSON] = {"feature": self.name}
        if self.unit is not None:
            facts["unit"] = self.unit
        if self.valid_range is not None:
            facts["valid_range"] = list(self.valid_range)
        return facts


@dataclass(frozen=True, slots=True)
class Value:
    """A value that is well formed; it counts for nothing where its quality is Bad."""

    number: float
    quality: Quality = Quality.GOOD


def read_value(feature: FeatureSpec, sent: object, where: str) -> Value | list[Fault]:
    """The value, or everything that is wrong with it.

    Parameters
    ----------
    where
        JSON pointer to the value in the body.
    """
    if not isinstance(sent, Mapping):
        return _number(feature, sent, where)
    if faults := _reading_faults(feature, sent, where):
        return faults
    quality = _quality(sent)
    if quality is Quality.BAD:
        return Value(0.0, quality)
    found = _number(feature, sent["value"], f"{where}/value", unit_is_known=sent.get("unit") is not None)
    return Value(found.number, quality) if isinstance(found, Value) else found


def pointer_to(base: str, name: str) -> str:
    """The JSON pointer (RFC 6901) to a member of what `base` points to."""
    return f"{base}/{name.replace('~', '~0').replace('/', '~1')}"


def _number(feature: FeatureSpec, value: object, where: str, *, unit_is_known: bool = False) -> Value | list[Fault]:
    # A caller in process may well hand over numbers of numpy.
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return [Fault(where, f"{feature.name!r} must be a number", feature.facts())]
    number = value if isinstance(value, int) else float(value)
    if not -LARGEST <= number <= LARGEST:
        return [Fault(where, f"{feature.name!r} must be a finite number", feature.facts())]
    if feature.valid_range is None or feature.valid_range[0] <= number <= feature.valid_range[1]:
        return Value(float(number))
    return [_out_of_range(feature, float(number), where, unit_is_known=unit_is_known)]


def _out_of_range(feature: FeatureSpec, number: float, where: str, *, unit_is_known: bool) -> Fault:
    assert feature.valid_range is not None  # noqa: S101 (only a value outside its range comes here)
    lower, upper = feature.valid_range
    unit = f" {feature.unit}" if feature.unit else ""
    detail = f"{feature.name!r} is {number:g}{unit}, outside its valid range {lower:g} to {upper:g}{unit}"
    facts = feature.facts()
    fitting = () if feature.unit is None or unit_is_known else units_that_fit(number, feature.unit, feature.valid_range)
    if fitting:
        detail += f"; it looks like {' or '.join(fitting)}"
        facts["looks_like"] = list(fitting)
    return Fault(where, detail, facts)


def _reading_faults(feature: FeatureSpec, reading: Mapping[str, JSON], where: str) -> list[Fault]:
    """What is wrong with the frame of a reading; its value is looked at afterwards, as any value."""
    facts = feature.facts()
    faults = [
        Fault(pointer_to(where, name), f"{name!r} is not a part of a reading", facts)
        for name in reading
        if name not in _READING_FIELDS
    ]
    quality = reading.get("quality")
    if quality is not None and (not isinstance(quality, str) or quality.lower() not in set(Quality)):
        faults.append(Fault(f"{where}/quality", "the quality must be good, uncertain or bad", facts))
    elif "value" not in reading and _quality(reading) is not Quality.BAD:
        faults.append(Fault(f"{where}/value", f"{feature.name!r} has no value", facts))
    timestamp = reading.get("timestamp")
    if timestamp is not None and not _is_moment(timestamp):
        faults.append(Fault(f"{where}/timestamp", "the timestamp must be an RFC 3339 time with its zone", facts))
    return faults + _unit_faults(feature, reading.get("unit"), f"{where}/unit")


def _unit_faults(feature: FeatureSpec, unit: JSON, where: str) -> list[Fault]:
    if unit is None:
        return []
    if not isinstance(unit, str):
        return [Fault(where, "the unit must be a text", feature.facts())]
    # A model whose card names no unit has nothing to compare with.
    if feature.unit is None or is_same_unit(unit, feature.unit):
        return []
    detail = f"{feature.name!r} is in {unit!r}, and the model takes it in {feature.unit!r}"
    return [Fault(where, detail, {**feature.facts(), "given_unit": unit})]


def _quality(reading: Mapping[str, JSON]) -> Quality:
    quality = reading.get("quality")
    return Quality(quality.lower()) if isinstance(quality, str) else Quality.GOOD


def _is_moment(timestamp: JSON) -> bool:
    try:
        return isinstance(timestamp, str) and datetime.fromisoformat(timestamp).tzinfo is not None
    except ValueError:
        return False
