"""Rows as callers send them, checked and put in the detector's order before anything computes on them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.anomaly.domain.arrays import Floats, Times
from shared.errors import AppError, Fault, Kind

FAULT_LIMIT = 20
# A reading beyond this is no measurement, and its square would no longer be a number.
_LARGEST = 1e30
_NO_READING = "not a reading a sensor can give"
# Kinds of arrays that numpy would make numbers of, and that are none: complex values, durations and times.
_NO_READINGS = "cmM"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# With another zone than UTC a time can lie outside these, and has no name in UTC.
_FIRST_MOMENT, _LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_FIRST_US, _LAST_US = ((moment - _EPOCH) // _MICROSECOND for moment in (_FIRST_MOMENT, _LAST_MOMENT))


class RowsRefused(AppError):
    """Rows, columns or times cannot be used; every fault is listed, up to a limit."""

    kind, code = Kind.INVALID, "anomaly.rows_refused"


def rows_from_lists(rows: Sequence[Sequence[float | None]], columns: int, *, pointer: str = "/rows") -> Floats:
    """Make `(n, columns)` of rows that may have wrong lengths or values that are no reading; `None` becomes NaN.

    Raises
    ------
    RowsRefused
        Listing each faulty row or value, at most `FAULT_LIMIT` of them.
    """
    try:
        # numpy reads a missing value as NaN and refuses uneven rows; only what it does not like is looked at by itself.
        table = np.array(rows, dtype=np.float64).reshape(len(rows), columns)
    except (ValueError, OverflowError):
        table = np.full((1, columns), np.inf)
    unclear = ~(np.abs(table) <= _LARGEST)
    if unclear.any() and (
        (unclear & ~np.isnan(table)).any() or any(rows[i][j] is not None for i, j in np.argwhere(unclear).tolist())
    ):
        _refuse(list(islice(_row_faults(rows, columns, pointer), FAULT_LIMIT + 1)), "the rows cannot be used")
    return table


def rows_from_array(rows: ArrayLike, *, what: str = "rows") -> Floats:
    """Take any `(n, c)` array of numbers, with c at least 1; NaN is a missing reading.

    Raises
    ------
    RowsRefused
        If it is no such array.
    """
    try:
        # A masked value is a missing one; left to numpy, whatever lies under the mask would count.
        unmasked = np.ma.filled(rows.astype(np.float64), np.nan) if isinstance(rows, np.ma.MaskedArray) else rows
        numbers = np.asarray(unmasked)
        if numbers.dtype.kind in _NO_READINGS:
            raise RowsRefused(f"the {what} are no table of numbers but of {numbers.dtype}")
        array = np.ascontiguousarray(numbers, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RowsRefused(f"the {what} are no table of numbers: {error}") from error
    if array.ndim != 2 or array.shape[1] == 0:
        raise RowsRefused(f"the {what} must have two dimensions and a column, not the shape {array.shape}")
    # The infinities are above this too; a comparison with NaN is false.
    bad = np.argwhere(np.abs(array) > _LARGEST)
    _refuse(
        [Fault(f"/{what}/{row}/{column}", _NO_READING) for row, column in bad[: FAULT_LIMIT + 1].tolist()],
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
    # Not compared as they are: two times of one zone compare by their clocks, which go back an hour each autumn.
    late = (np.flatnonzero(np.diff(times_us(times)) <= 0) + 1)[: FAULT_LIMIT + 1].tolist()
    _refuse([Fault(f"{pointer}/{i}", "not later than the time before") for i in late], "the times do not increase")


def check_context_order(context: Sequence[datetime] | Times, times: Sequence[datetime] | Times | None) -> None:
    """Refuse times of context that do not lie before the times of the rows.

    Raises
    ------
    RowsRefused
        Also if the rows themselves have no times.
    """
    if times is None:
        _refuse([Fault("/context_timestamps", "give timestamps too")], "the rows themselves have no times")
    elif len(context) and len(times) and context[-1] >= times[0]:
        fault = Fault(f"/context_timestamps/{len(context) - 1}", "not before the first row")
        _refuse([fault], "the context does not lie before the rows")


def times_us(times: Sequence[datetime]) -> Times:
    """`(n,)` aware times as microseconds since 1970 in UTC.

    Examples
    --------
    >>> times_us([datetime(1970, 1, 1, 0, 1, tzinfo=UTC)]).tolist()
    [60000000]
    """
    return np.array([(time - _EPOCH) // _MICROSECOND for time in times], dtype=np.int64)


def times_from_array(
    times: Sequence[datetime] | NDArray[np.datetime64], rows: int, *, what: str = "timestamps"
) -> Times:
    """Take times of any kind that Python and numpy have; without a zone they are read as UTC.

    Returns
    -------
    Times
        `(rows,)`, increasing [µs since 1970 in UTC].

    Raises
    ------
    RowsRefused
        Listing each time that is none, or not later than the one before.
    """
    if isinstance(times, np.ndarray) and times.dtype.kind == "M":
        return _numpy_times(times, rows, what)
    given = list(times)
    nothing = [i for i, time in enumerate(given) if not isinstance(time, datetime) or time != time]  # noqa: PLR0124 (NaT)
    _refuse([Fault(f"/{what}/{i}", "no time") for i in nothing], "the times cannot be used")
    aware = [time if time.tzinfo else time.replace(tzinfo=UTC) for time in given]
    check_times(aware, rows, pointer=f"/{what}")
    return times_us(aware)


def _numpy_times(times: NDArray[np.datetime64], rows: int, what: str) -> Times:
    if times.shape != (rows,):
        _refuse([Fault(f"/{what}", f"the shape {times.shape} for {rows} rows")], "one time a row is needed")
    nothing = np.flatnonzero(np.isnat(times))[: FAULT_LIMIT + 1].tolist()
    _refuse([Fault(f"/{what}/{i}", "no time") for i in nothing], "the times cannot be used")
    moments = times.astype("datetime64[us]").astype(np.int64)
    outside = np.flatnonzero((moments < _FIRST_US) | (moments > _LAST_US))[: FAULT_LIMIT + 1].tolist()
    _refuse([Fault(f"/{what}/{i}", "outside the years 1 to 9999 of UTC") for i in outside], "the times cannot be used")
    late = (np.flatnonzero(np.diff(moments) <= 0) + 1)[: FAULT_LIMIT + 1].tolist()
    _refuse([Fault(f"/{what}/{i}", "not later than the time before") for i in late], "the times do not increase")
    return moments


def in_calendar(time: datetime) -> bool:
    """Whether an aware time can be told in UTC."""
    return _FIRST_MOMENT <= time <= _LAST_MOMENT


def _row_faults(rows: Sequence[Sequence[float | None]], columns: int, pointer: str) -> Iterator[Fault]:
    for i, row in enumerate(rows):
        if len(row) != columns:
            yield Fault(f"{pointer}/{i}", f"{len(row)} values for {columns} columns")
            continue
        for j, value in enumerate(row):
            if value is not None and not abs(value) <= _LARGEST:
                yield Fault(f"{pointer}/{i}/{j}", _NO_READING)


def _refuse(faults: Sequence[Fault], message: str) -> None:
    if not faults:
        return
    more = "" if len(faults) <= FAULT_LIMIT else f"; the first {FAULT_LIMIT} faults are listed"
    raise RowsRefused(message + more, faults=faults[:FAULT_LIMIT])
