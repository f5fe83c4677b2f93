"""An observation as it comes in: what was measured, for which inputs, when and where; every fault is found at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.errors import JSON, AppError, Fault, Kind

# Clocks of a plant differ; a measurement from beyond that is a mistake, and would keep true ones out of the window.
FUTURE_LIMIT_S = 300.0
# Squares and sums of what lies below stay finite.
LARGEST_VALUE = 1e100

_FIELDS: Final = ("model", "version", "asset", "inputs", "actual", "timestamp", "unit")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ASSET = re.compile(r"(?=.{1,255}\Z)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ObservationInvalid(AppError):
    """The observation cannot be used; each fault is listed."""

    kind, code = Kind.INVALID, "twin.observation_invalid"

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("the observation cannot be used; every fault is listed", faults=faults)


class TooManyObservations(AppError):
    """The request holds more observations than one may."""

    kind, code = Kind.TOO_LARGE, "twin.too_many_observations"

    def __init__(self, *, limit_rows: int, rows: int) -> None:
        super().__init__(
            f"a request holds at most {limit_rows} observations, this one {rows}", limit_rows=limit_rows, rows=rows
        )


@dataclass(frozen=True, slots=True)
class Envelope:
    """An observation before its model was looked at.

    Parameters
    ----------
    model, version
        `None` for the default model, and for its active version.
    inputs
        Values by feature name, not read yet.
    actual
        What was measured [unit of the target].
    observed_at_ms
        `None` where no time was given [ms since 1970].
    unit
        In which unit the sender believes `actual` to be.
    faults
        Everything wrong so far; the value of a faulty field means nothing.
    """

    pointer: str
    model: str | None
    version: str | None
    asset: str | None
    inputs: Mapping[str, JSON]
    actual: float
    observed_at_ms: int | None
    unit: str | None
    faults: tuple[Fault, ...]


def read_envelope(document: JSON, pointer: str, *, now: datetime) -> Envelope:
    """Read one observation.

    Parameters
    ----------
    pointer
        JSON pointer to the observation in the body, for the faults.

    Raises
    ------
    ObservationInvalid
        If it is no object; everything else is listed in the envelope, beside what its model will say.
    """
    if not isinstance(document, Mapping):
        raise ObservationInvalid([Fault(pointer, "an observation is an object")])
    faults = [
        Fault(f"{pointer}/{name}", f"{name!r} is not a part of an observation", {"known": list(_FIELDS)})
        for name in document
        if name not in _FIELDS
    ]
    inputs = document.get("inputs")
    if not isinstance(inputs, Mapping):
        detail = "must be an object with a value for each feature" if "inputs" in document else "is missing"
        faults.append(Fault(f"{pointer}/inputs", f"'inputs' {detail}"))
        inputs = {}
    return Envelope(
        pointer=pointer,
        model=_text(document, "model", pointer, _NAME, faults),
        version=_text(document, "version", pointer, _NAME, faults),
        asset=_text(document, "asset", pointer, _ASSET, faults),
        inputs=inputs,
        actual=_number(document, "actual", pointer, faults),
        observed_at_ms=_moment_ms(document, "timestamp", pointer, now, faults),
        unit=_text(document, "unit", pointer, None, faults),
        faults=tuple(faults),
    )


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970 of an aware time.

    Examples
    --------
    >>> to_ms(datetime(1970, 1, 2, tzinfo=UTC))
    86400000
    """
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_ms(moment_ms: int) -> datetime:
    """The time that `to_ms` made a number of."""
    return _EPOCH + timedelta(milliseconds=moment_ms)


def _text(
    document: Mapping[str, JSON], name: str, pointer: str, pattern: re.Pattern[str] | None, faults: list[Fault]
) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or (pattern is not None and pattern.fullmatch(value) is None):
        faults.append(Fault(f"{pointer}/{name}", f"{name!r} is no valid name"))
        return None
    return value


def _number(document: Mapping[str, JSON], name: str, pointer: str, faults: list[Fault]) -> float:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST_VALUE:
        detail = "must be a finite number" if name in document else "is missing"
        faults.append(Fault(f"{pointer}/{name}", f"{name!r} {detail}"))
        return 0.0
    return float(value)


def _moment_ms(document: Mapping[str, JSON], name: str, pointer: str, now: datetime, faults: list[Fault]) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        # Near the ends of the calendar a time has no counterpart in UTC.
        moment_ms = None if moment is None or moment.tzinfo is None else to_ms(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        moment_ms = None
    if moment_ms is None:
        faults.append(Fault(f"{pointer}/{name}", f"{name!r} must be an RFC 3339 time with its zone"))
    elif moment_ms > to_ms(now) + FUTURE_LIMIT_S * 1000:
        detail = f"{name!r} lies more than {FUTURE_LIMIT_S:g} s in the future"
        faults.append(Fault(f"{pointer}/{name}", detail, {"future_limit_s": FUTURE_LIMIT_S}))
    return moment_ms
