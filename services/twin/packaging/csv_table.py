"""Cells as columns of numbers and moments, each fault with its row and column."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.twin.packaging.csv_text import CsvText, CsvUnusable

Vector = NDArray[np.float64]

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "-", "--", "?", "inf", "-inf", "+inf", "infinity"})

# `AT [°C]`, also with the wide brackets of Japanese text.
_UNIT = re.compile(r"(?P<name>.*\S)\s*[\[\uff3b](?P<unit>[^\[\]\uff3b\uff3d]+)[\]\uff3d]")
_MOMENT = re.compile(r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}(?!\d)")
_DATE_PARTS = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
_HOUR = re.compile(r"[T ](\d):")
# A column with fewer numbers than this share is text, and not a column of numbers with a fault.
_NUMBER_SHARE = 0.5
_SHOWN_CELL = 40


@dataclass(frozen=True)
class Column:
    """One column as it was written.

    Parameters
    ----------
    name, unit
        From a header such as `AT [°C]`.
    header
        The header as it stands in the file.
    cells
        `n` texts.
    rows
        The row of each cell in the file, counted as an editor does.
    """

    name: str
    unit: str | None
    header: str
    cells: Sequence[str]
    rows: Sequence[int]
    decimal_comma: bool

    @cached_property
    def _parsed(self) -> tuple[Vector, int | None]:
        """Numbers, `nan` where there is none, and the index of the first cell that is neither number nor missing."""
        values, fault = np.full(len(self.cells), np.nan), None
        for index, cell in enumerate(self.cells):
            if cell.strip().lower() in MISSING:
                continue
            try:
                values[index] = float(cell.replace(",", ".") if self.decimal_comma else cell)
            except ValueError:
                fault = index if fault is None else fault
        return np.where(np.isfinite(values), values, np.nan), fault

    @property
    def is_text(self) -> bool:
        """Whether hardly any cell holds a number."""
        values, fault = self._parsed
        return fault is not None and int(np.sum(np.isfinite(values))) < _NUMBER_SHARE * len(values)

    def numbers(self) -> Vector:
        """The values `(n,)`; `nan` where the cell is empty or says that it is missing.

        Raises
        ------
        CsvUnusable
            If a cell holds text; names the first.
        """
        values, fault = self._parsed
        if fault is not None:
            shown = self.cells[fault][:_SHOWN_CELL]
            raise CsvUnusable(
                f"row {self.rows[fault]}, column {self.name!r}: {shown!r} is not a number; leave the cell empty if the "
                f"value is missing, or exclude the column",
                row=self.rows[fault],
                column=self.name,
            )
        return values

    @property
    def holds_moments(self) -> bool:
        """Whether the cells that hold anything are dates, the year first."""
        filled = [cell for cell in map(str.strip, self.cells) if cell.lower() not in MISSING]
        return bool(filled) and all(map(_MOMENT.match, filled))

    def moments_s(self) -> Vector:
        """Seconds since 1970 `(n,)` from dates, or the numbers of a column that counts; `nan` where missing.

        Raises
        ------
        CsvUnusable
            If a cell is neither; names the first.
        """
        if not any(_MOMENT.match(cell.strip()) for cell in self.cells):
            return self.numbers()
        return np.array([self._moment_s(index, cell.strip()) for index, cell in enumerate(self.cells)])

    def _moment_s(self, index: int, cell: str) -> float:
        if cell.lower() in MISSING:
            return float("nan")
        try:
            plain = _DATE_PARTS.sub(lambda m: f"{m[1]}-{int(m[2]):02d}-{int(m[3]):02d}", cell, count=1)
            moment = datetime.fromisoformat(_HOUR.sub(r"T0\1:", plain))
        except ValueError as error:
            raise CsvUnusable(
                f"row {self.rows[index]}, column {self.name!r}: {cell[:_SHOWN_CELL]!r} is no time; write "
                "2026-04-01 12:30:00",
                row=self.rows[index],
                column=self.name,
            ) from error
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def columns_of(text: CsvText) -> list[Column]:
    """The named columns of a file; columns without a name are left out.

    Raises
    ------
    CsvUnusable
        If there are no rows, the header holds numbers, or two columns have the same name.
    """
    if not text.lines:
        raise CsvUnusable("the file has a header and no rows")
    if any(_is_number(cell, decimal_comma=text.decimal_comma) for cell in text.header):
        raise CsvUnusable("the first row must name the columns; it holds numbers")
    rows = [number for number, _ in text.lines]
    columns = []
    for index, header in enumerate(text.header):
        if header:
            split = _UNIT.fullmatch(header)
            name, unit = (split["name"], split["unit"].strip()) if split else (header, None)
            cells = [cells[index] for _, cells in text.lines]
            columns.append(Column(name, unit, header, cells, rows, text.decimal_comma))
    doubled = [name for name, count in Counter(column.name for column in columns).items() if count > 1]
    if doubled:
        raise CsvUnusable(f"these columns have the same name: {', '.join(doubled)}", columns=doubled)
    return columns


def _is_number(cell: str, *, decimal_comma: bool) -> bool:
    try:
        float(cell.replace(",", ".") if decimal_comma else cell)
    except ValueError:
        return False
    return cell.lower() not in MISSING
