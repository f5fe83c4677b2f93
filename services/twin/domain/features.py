"""From what a caller sends to the row a model takes; every fault is found and said at once.

A value is a number, or an object `{"value": …, "quality": …, "timestamp": …}` as an OPC UA server reports it. Good
and Uncertain values are used; one Bad value refuses the row.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.errors import JSON, AppError, Fault, Kind

Matrix = NDArray[np.float64]

_LARGEST = sys.float_info.max
# A body of millions of made-up names is answered with the first of them.
_MOST_UNKNOWN = 100
_READING_FIELDS = frozenset({"value", "quality", "timestamp"})


class Quality(StrEnum):
    """How far the source trusts a value (OPC 10000-8, severity bits of the status code)."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class InputsInvalid(AppError):
    """The inputs are not what the model takes; each fault is listed."""

    kind, code = Kind.INVALID, "twin.inputs_invalid"


class QualityBad(AppError):
    """The inputs are well formed, and their source calls at least one of them Bad."""

    kind, code = Kind.INVALID, "twin.quality_bad"


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One input of a model: its name, its unit, and the closed range that is accepted, if there is one."""

    name: str
    unit: str | None = None
    valid_range: tuple[float, float] | None = None


class InputReader:
    """Reads rows for one model.

    Parameters
    ----------
    features
        In the order the model takes them.
    """

    def __init__(self, features: Sequence[FeatureSpec]) -> None:
        self._features = {feature.name: feature for feature in features}
        # The largest double as the open end also keeps infinity out, and a comparison with NaN is never true.
        self._bounds = [(f.name, *(f.valid_range or (-_LARGEST, _LARGEST))) for f in features]
        self._lower = np.array([lower for _, lower, _ in self._bounds])
        self._upper = np.array([upper for _, _, upper in self._bounds])

    def read(self, inputs: Mapping[str, JSON], pointer: str = "") -> list[float]:
        """The values in the model's order.

        Parameters
        ----------
        inputs
            Values by feature name.
        pointer
            JSON pointer to `inputs` in the body, for the faults.

        Raises
        ------
        InputsInvalid
            If a feature is missing, unknown, not a finite number or out of its range.
        QualityBad
            If all is well formed and a value is Bad.
        """
        if len(inputs) == len(self._bounds):
            values = []
            for name, lower, upper in self._bounds:
                value = inputs.get(name)
                kind = type(value)
                # `type` and not `isinstance`: true is an int to isinstance. All else goes the careful way.
                if (kind is not float and kind is not int) or not lower <= value <= upper:  # type: ignore[operator]
                    break
                values.append(float(value))  # type: ignore[arg-type]
            else:
                return values
        return self._read_carefully(inputs, pointer)

    def read_many(self, rows: ArrayLike | Sequence[Mapping[str, JSON]]) -> Matrix:
        """Many rows at once, as an array with columns in the model's order or as mappings; `(n, f)`.

        Raises
        ------
        InputsInvalid, QualityBad
            If any row cannot be used; every fault of every row is listed.
        """
        if isinstance(rows, Sequence):
            mappings = [row for row in rows if isinstance(row, Mapping)]
            if mappings and len(mappings) == len(rows):
                return self._collect(list(enumerate(mappings)))
        values = self._as_matrix(rows)
        inside = np.all((values >= self._lower) & (values <= self._upper), axis=1)
        suspects = [
            (int(i), dict(zip(self._features, values[i].tolist(), strict=True))) for i in np.nonzero(~inside)[0]
        ]
        if suspects:
            self._collect(suspects)
        return values

    def _as_matrix(self, rows: object) -> Matrix:
        columns = getattr(rows, "columns", None)
        # A table with its columns in another order would be predicted without a word, and wrongly.
        if columns is not None and list(columns) != list(self._features):
            raise InputsInvalid("the columns of the table must be the features, in the model's order")
        try:
            values = np.asarray(rows, np.float64)
        except (TypeError, ValueError) as error:
            raise InputsInvalid(f"the rows must be numbers: {error}") from error
        if values.ndim != 2 or values.shape[1] != len(self._features):
            raise InputsInvalid(
                f"the rows must have the {len(self._features)} features as columns", shape=list(values.shape)
            )
        return values

    def _collect(self, rows: Sequence[tuple[int, Mapping[str, JSON]]]) -> Matrix:
        """Read mappings, and raise once for all that cannot be used."""
        values: list[list[float]] = []
        errors: list[InputsInvalid | QualityBad] = []
        for index, row in rows:
            try:
                values.append(self.read(row, f"/{index}"))
            except (InputsInvalid, QualityBad) as error:
                errors.append(error)
        if errors:
            worst = next((error for error in errors if isinstance(error, InputsInvalid)), errors[0])
            raise type(worst)(worst.message, faults=[fault for error in errors for fault in error.faults])
        return np.array(values)

    def _read_carefully(self, inputs: Mapping[str, JSON], pointer: str) -> list[float]:
        faults: list[Fault] = []
        bad: list[Fault] = []
        values = [self._value(feature, inputs, pointer, faults, bad) for feature in self._features.values()]
        known = sorted(self._features)
        unknown = islice((name for name in inputs if name not in self._features), _MOST_UNKNOWN)
        faults += [
            Fault(_pointer(pointer, name), f"{name!r} is not a feature", {"feature": name, "known": known})
            for name in unknown
        ]
        if faults:
            message = "the inputs are not what the model takes; every fault is listed"
            raise InputsInvalid(message, faults=[*faults, *bad])
        if bad:
            raise QualityBad("the source calls these values Bad; nothing was predicted", faults=bad)
        return values

    @staticmethod
    def _value(
        feature: FeatureSpec, inputs: Mapping[str, JSON], pointer: str, faults: list[Fault], bad: list[Fault]
    ) -> float:
        """Read one value; what is wrong goes into `faults` or `bad` and 0 comes back."""
        where = _pointer(pointer, feature.name)
        if feature.name not in inputs:
            faults.append(Fault(where, f"{feature.name!r} is missing", _facts(feature)))
            return 0.0
        value: object = inputs[feature.name]
        if isinstance(value, Mapping):
            faults.extend(reading_faults := _reading_faults(feature, value, where))
            if not reading_faults and _quality(value) is Quality.BAD:
                bad.append(Fault(where, f"the quality of {feature.name!r} is Bad", _facts(feature)))
            if reading_faults or _quality(value) is Quality.BAD:
                return 0.0
            value, where = value["value"], f"{where}/value"
        # A caller in process may well hand over numbers of numpy.
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            faults.append(Fault(where, f"{feature.name!r} must be a number", _facts(feature)))
            return 0.0
        number = value if isinstance(value, int) else float(value)
        if not -_LARGEST <= number <= _LARGEST:
            faults.append(Fault(where, f"{feature.name!r} must be a finite number", _facts(feature)))
            return 0.0
        if feature.valid_range is not None and not feature.valid_range[0] <= number <= feature.valid_range[1]:
            lower, upper = feature.valid_range
            unit = f" {feature.unit}" if feature.unit else ""
            detail = f"{feature.name!r} is {number:g}{unit}, outside its valid range {lower:g} to {upper:g}{unit}"
            faults.append(Fault(where, detail, _facts(feature)))
            return 0.0
        return float(number)


def _reading_faults(feature: FeatureSpec, reading: Mapping[str, JSON], where: str) -> list[Fault]:
    """What is wrong with the frame of a reading; its value is looked at afterwards, as any value."""
    facts = _facts(feature)
    faults = [
        Fault(_pointer(where, name), f"{name!r} is not a part of a reading", facts)
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
    return faults


def _quality(reading: Mapping[str, JSON]) -> Quality:
    quality = reading.get("quality")
    return Quality(quality.lower()) if isinstance(quality, str) else Quality.GOOD


def _is_moment(timestamp: JSON) -> bool:
    try:
        return isinstance(timestamp, str) and datetime.fromisoformat(timestamp).tzinfo is not None
    except ValueError:
        return False


def _facts(feature: FeatureSpec) -> dict[str, JSON]:
    facts: dict[str, JSON] = {"feature": feature.name}
    if feature.unit is not None:
        facts["unit"] = feature.unit
    if feature.valid_range is not None:
        facts["valid_range"] = list(feature.valid_range)
    return facts


def _pointer(base: str, name: str) -> str:
    return f"{base}/{name.replace('~', '~0').replace('/', '~1')}"
