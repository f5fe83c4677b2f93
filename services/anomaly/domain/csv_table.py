"""A table of readings from the lines of a CSV file, with limits on all that a file can lie about."""

import csv
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

import numpy as np

from services.anomaly.domain.rows import FAULT_LIMIT, RowsRefused, check_columns, in_calendar
from services.anomaly.domain.training_requests import Table
from shared.errors import AppError, Fault, Kind

_DELIMITERS = (",", ";", "\t")
# How programs write that there is no reading.
_MISSING = frozenset({"", "nan", "na", "null"})
# The longest field that Python's csv reader takes; a line of 4096 readings has about half of this.
_MAX_LINE_CHARACTERS = 131_072


class UploadTooLarge(AppError):
    """A file has more rows, columns or values than are taken."""

    kind, code = Kind.TOO_LARGE, "anomaly.upload_too_large"


@dataclass(frozen=True, slots=True)
class TableLimits:
    """What a table may grow to; `values` counts rows times columns."""

    rows: int
    columns: int
    values: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which columns of a file are read as sensors: all, or those in `only`, and in either case none of `left_out`."""

    only: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()

    def takes(self, name: str) -> bool:
        """Whether a column is read."""
        return name not in self.left_out and (self.only is None or name in self.only)


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the header of a file says: all its columns, and those that are readings."""

    delimiter: str
    names: tuple[str, ...]
    columns: tuple[str, ...]
    time_column: str | None


def read_csv(text: TextIO, limits: TableLimits, *, time_column: str | None, selection: Selection = EVERYTHING) -> Table:
    """Read a header and rows of numbers.

    Parameters
    ----------
    text
        Its first line names the columns, separated by commas, semicolons or tabs; empty lines are passed over.
    time_column
        The column that holds times, ISO 8601; without a zone they are read as UTC.
    selection
        Columns to read; the others are passed over, whatever they hold.

    Raises
    ------
    RowsRefused
        If it is no such table: every fault is listed with its line, up to a limit.
    UploadTooLarge
        If a limit is passed.
    """
    numbered = _numbered(text)
    _, header = next(numbered, (1, ""))
    delimiter = max(_DELIMITERS, key=lambda mark: len(_cells(header, 1, mark)))
    names = [name.strip() for name in _cells(header, 1, delimiter)]
    if not names:
        raise RowsRefused("the file is empty", faults=[Fault("/columns", "a line with their names is needed")])
    if len(names) > limits.columns:
        raise UploadTooLarge(f"{len(names)} columns; at most {limits.columns} are taken", limit=limits.columns)
    check_columns(names, pointer="/columns")
    if time_column is not None and time_column not in names:
        raise RowsRefused("there is no such time column", faults=[Fault("?time_column", f"one of {', '.join(names)}")])
    columns = tuple(name for name in names if name != time_column and selection.takes(name))
    if not columns:
        raise RowsRefused("the file holds no column of readings", faults=[Fault("/columns", "at least one is needed")])
    layout = _Layout(delimiter, tuple(names), columns, time_column)
    return _body(numbered, layout, limits)


def _body(lines: Iterator[tuple[int, str]], layout: _Layout, limits: TableLimits) -> Table:
    names, columns = layout.names, layout.columns
    position = None if layout.time_column is None else names.index(layout.time_column)
    places = [names.index(name) for name in columns]
    row_limit = min(limits.rows, limits.values // len(columns))
    values, times, faults = array("d"), list[datetime](), list[Fault]()
    rows = 0
    for number, line in lines:
        cells = _cells(line, number, layout.delimiter)
        rows += 1
        if rows > row_limit:
            raise UploadTooLarge(f"more than {row_limit} rows", limit=row_limit)
        if len(cells) != len(names):
            faults.append(Fault(f"/line/{number}", f"{len(cells)} values for {len(names)} columns"))
        else:
            if position is not None:
                _read_time(cells[position], number, times, faults)
            for name, place in zip(columns, places, strict=True):
                values.append(_number(cells[place], f"/line/{number}/{name}", faults))
        if len(faults) > FAULT_LIMIT:
            break
    if faults:
        more = f"; the first {FAULT_LIMIT} faults are listed" if len(faults) > FAULT_LIMIT else ""
        raise RowsRefused(f"the file cannot be used{more}", faults=faults[:FAULT_LIMIT])
    table = np.frombuffer(values, dtype=np.float64).reshape(rows, len(columns)) if rows else np.empty((0, len(columns)))
    return Table(columns, table, None if position is None else tuple(times))


def _cells(line: str, number: int, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as error:
        raise RowsRefused(f"line {number} is no line of CSV", faults=[Fault(f"/line/{number}", str(error))]) from error


def _numbered(text: TextIO) -> Iterator[tuple[int, str]]:
    # A file without a line break would otherwise be read whole.
    lines = iter(lambda: text.readline(_MAX_LINE_CHARACTERS + 1), "")
    for number, line in enumerate(lines, start=1):
        if len(line) > _MAX_LINE_CHARACTERS:
            raise UploadTooLarge(f"line {number} is too long", limit=_MAX_LINE_CHARACTERS)
        if content := line.strip("\r\n"):
            yield number, content


def _number(cell: str, pointer: str, faults: list[Fault]) -> float:
    try:
        # Python would read 1_5 as fifteen.
        value = math.inf if "_" in cell else float(cell)
    except ValueError:
        value = math.inf
    if abs(value) <= 1e30:
        return value
    if cell.strip().lower() not in _MISSING:
        faults.append(Fault(pointer, "not a reading a sensor can give"))
    return math.nan


def _read_time(cell: str, number: int, times: list[datetime], faults: list[Fault]) -> None:
    try:
        moment = datetime.fromisoformat(cell.strip())
    except ValueError:
        faults.append(Fault(f"/line/{number}", "the time is not ISO 8601"))
        return
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not in_calendar(moment):
        faults.append(Fault(f"/line/{number}", "the time is outside the years 1 to 9999 of UTC"))
    if times and moment <= times[-1]:
        faults.append(Fault(f"/line/{number}", "the time is not later than the one before"))
    times.append(moment)
