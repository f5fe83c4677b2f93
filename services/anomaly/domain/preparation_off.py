"""Periods in which the machine is off: normal for a machine, and nothing that a detector should learn or judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Flags, Floats
from shared.errors import JSON, AppError, Fault, Kind

_FIELDS = ("column", "below", "above", "margin_rows")
# A stream has to keep this many rows to score the next one.
_MOST_MARGIN_ROWS = 10_000
_LARGEST = 1e30


class OffRuleRefused(AppError):
    """The rule that says when the machine is off cannot be used."""

    kind, code = Kind.INVALID, "anomaly.off_rule_refused"


@dataclass(frozen=True, slots=True)
class OffRule:
    """The machine is off while a sensor is below, or above, a value.

    Parameters
    ----------
    column
        Name of the sensor.
    below, above
        The value, in the unit of the sensor; one of the two.
    margin_rows
        Rows after a restart that are left out too.
    """

    column: str
    below: float | None
    above: float | None
    margin_rows: int

    def off(self, readings: Floats) -> Flags:
        """`(n,)`; whether the machine is off, or was within the margin, at each of the sensor's `(n,)` readings."""
        off = readings < self.below if self.below is not None else readings > (self.above or 0.0)
        position = np.arange(len(off))
        last_off = np.maximum.accumulate(np.where(off, position, -self.margin_rows - 1))
        return np.asarray(position - last_off <= self.margin_rows)

    def to_json(self) -> dict[str, JSON]:
        """The rule as it is given and as the card states it."""
        limit = {"below": self.below} if self.below is not None else {"above": self.above}
        return {"column": self.column, **limit, "margin_rows": self.margin_rows}


def read_off_rule(document: Mapping[str, JSON]) -> OffRule:
    """Make a rule from `{"column": name, "below" or "above": number, "margin_rows": number}`.

    Raises
    ------
    OffRuleRefused
        Listing every fault; pointers go into a training that has the rule as `off`.

    Examples
    --------
    >>> read_off_rule({"column": "current", "below": 0.5})
    OffRule(column='current', below=0.5, above=None, margin_rows=0)
    """
    given = {name: value for name, value in document.items() if value is not None}
    faults = [Fault(f"/training/off/{name}", f"one of {', '.join(_FIELDS)}") for name in given if name not in _FIELDS]
    column, margin_rows = given.get("column"), given.get("margin_rows", 0)
    if not isinstance(column, str):
        faults.append(Fault("/training/off/column", "the name of a sensor is needed"))
    if isinstance(margin_rows, bool) or not isinstance(margin_rows, int) or not 0 <= margin_rows <= _MOST_MARGIN_ROWS:
        faults.append(Fault("/training/off/margin_rows", f"a whole number from 0 to {_MOST_MARGIN_ROWS}"))
    limits = {name: _limit(given[name]) for name in ("below", "above") if name in given}
    faults += [Fault(f"/training/off/{name}", "a number") for name, limit in limits.items() if limit is None]
    if len(limits) != 1:
        faults.append(Fault("/training/off", "either below or above"))
    if faults or not isinstance(column, str) or not isinstance(margin_rows, int):
        raise OffRuleRefused("the rule for a machine that is off cannot be used", faults=faults)
    return OffRule(column, limits.get("below"), limits.get("above"), margin_rows)


def check_off_column(rule: OffRule | None, columns: Sequence[str]) -> None:
    """Refuse a rule about a sensor that the detector does not have.

    Raises
    ------
    OffRuleRefused
        Listing the sensors there are.
    """
    if rule is not None and rule.column not in columns:
        fault = Fault("/training/off/column", "no such sensor", {"available": list(columns)})
        raise OffRuleRefused(f"the machine cannot be off by {rule.column!r}", faults=[fault])


def _limit(value: JSON) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        return None
    return float(value)
