"""Rows as callers send them, checked and put in the detector's order before anything computes on them."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice, pairwise

import numpy as np
from numpy.typing import ArrayLike

from services.anomaly.domain.arrays import Floats
from shared.errors import AppError, Fault, Kind

FAULT_LIMIT = 20
# A reading beyond this is no measurement, and its square would no longer be a number.
_LARGEST = 1e30
# With another zone than UTC a time can lie outside these, and has no name in UTC.
_FIRST_MOMENT, _LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class RowsRefused(AppError):
    """Rows, columns or times cannot be used; every fault is listed, up to a limit."""

    kind, code = Kind.INVALID, "anomaly.rows_refused"


def rows_from_lists(rows: Sequence[Sequence[float | None]], columns: int, *, pointer: str = "/rows") -> Floats:
    """Make `(n, columns)` of rows that may have gaps, wrong lengths or values that are not finite.

    Raises
    ------
    RowsRefused
        Listing each faulty row or value, at most `FAULT_LIMIT` of them.
    """
    try:
        # numpy reads a gap as NaN and refuses uneven rows; only what it does not like is looked at value by value.
        table = np.array(rows, dtype=np.float64).reshape(len(rows), columns)
    except (ValueError, OverflowError):
        table = np.full((1, columns), np.nan)
    if not (np.abs(table) <= _LARGEST).all():
        _refuse(list(islice(_row_faults(rows, columns, pointer), FAULT_LIMIT + 1)), "the rows cannot be used")
    return table


def rows_from_array(rows: ArrayLike, *, what: str = "rows") -> Floats:
    """Take any `(n, c)` array of finite numbers, with c at least 1.

    Raises
    ------
    RowsRefused
        If it is no such array.
    """
    try:
        array = np.ascontiguousarray(rows, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RowsRefused(f"the {what} are no table of numbers: {error}") from error
    if array.ndim != 2 or array.shape[1] == 0:
        raise RowsRefused(f"the {what} must have two dimensions and a column, not the shape {array.shape}")
    # A comparison with NaN is false, so one test finds it, the infinities and the absurd.
    bad = np.argwhere(~(np.abs(array) <= _LARGEST))
    _refuse(
        [Fault(f"/{what}/{row}/{column}", _value_detail(float(array[row, column]))) for row, column in bad.tolist()],
        f"the {what} hold values that cannot be used",
    )
    return array


def column_order(given: Sequence[str], wanted: Sequence[str], *, pointer: str = "/columns") -> list[int]:
    """Positions in `given` of the columns in `wanted`.

    Raises
    ------
    RowsRefused
        If a column is missing, unknown or named twice; all such are listed.

    Examples
    --------
    >>> column_order(["flow", "pressure"], ["pressure", "flow"])
    [1, 0]
    """
    faults = [
        Fault(f"{pointer}/{i}", f"{name!r} is unknown" if name not in wanted else f"{name!r} is named twice")
        for i, name in enumerate(given)
        if name not in wanted or name in given[:i]
    ]
    faults += [Fault(pointer, f"{name!r} is missing", {"column": name}) for name in wanted if name not in given]
    _refuse(faults, "the columns are not those of the detector")
    return [list(given).index(name) for name in wanted]


def check_columns(columns: Sequence[str], *, pointer: str = "/columns") -> None:
    """Refuse names that are empty, too long or doubled.

    Raises
    ------
    RowsRefused
        Listing each such name.
    """
    faults = [
        Fault(f"{pointer}/{i}", "a name has 1 to 128 printable characters and occurs once")
        for i, name in enumerate(columns)
        if not (1 <= len(name) <= 128 and name.isprintable() and name == name.strip()) or name in columns[:i]
    ]
    _refuse(faults, "the columns cannot be named like this")


def check_times(times: Sequence[datetime], rows: int, *, pointer: str = "/timestamps") -> None:
    """Refuse times that are not one a row, each later than the one before.

    Raises
    ------
    RowsRefused
        Listing each such time.
    """
    if len(times) != rows:
        raise RowsRefused("one time a row is needed", faults=[Fault(pointer, f"{len(times)} times for {rows} rows")])
    naive = [Fault(f"{pointer}/{i}", "a time needs its zone") for i, time in enumerate(times) if time.tzinfo is None]
    _refuse(naive, "the times cannot be used")
    outside = [
        Fault(f"{pointer}/{i}", "outside the years 1 to 9999 of UTC")
        for i, time in enumerate(times)
        if not in_calendar(time)
    ]
    _refuse(outside, "the times cannot be used")
    late = [
        Fault(f"{pointer}/{i + 1}", "not later than the time before")
        for i, (before, after) in enumerate(pairwise(times))
        if after <= before
    ]
    _refuse(late, "the times do not increase")


def in_calendar(time: datetime) -> bool:
    """Whether an aware time can be told in UTC."""
    return _FIRST_MOMENT <= time <= _LAST_MOMENT


def _row_faults(rows: Sequence[Sequence[float | None]], columns: int, pointer: str) -> Iterator[Fault]:
    for i, row in enumerate(rows):
        if len(row) != columns:
            yield Fault(f"{pointer}/{i}", f"{len(row)} values for {columns} columns")
            continue
        for j, value in enumerate(row):
            if value is None or not abs(value) <= _LARGEST:
                yield Fault(f"{pointer}/{i}/{j}", _value_detail(math.nan if value is None else value))


def _value_detail(value: float) -> str:
    return "a value is missing" if math.isnan(value) else "not a reading a sensor can give"


def _refuse(faults: Sequence[Fault], message: str) -> None:
    if not faults:
        return
    more = "" if len(faults) <= FAULT_LIMIT else f"; the first {FAULT_LIMIT} faults are listed"
    raise RowsRefused(message + more, faults=faults[:FAULT_LIMIT])
