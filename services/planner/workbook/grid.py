"""The sheets of a workbook as rows of named cells."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Final

import openpyxl
from openpyxl.utils import get_column_letter
from openpyxl.workbook import Workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from services.planner.workbook.archive import check_archive
from services.planner.workbook.cells import CellValue, is_empty, plain
from services.planner.workbook.errors import WorkbookUnreadable
from services.planner.workbook.names import IGNORED, SHEETS, Sheet

# The most devices a problem has, and room for titles.
ROW_LIMIT: Final = 20_050
COLUMN_LIMIT: Final = 60
# Titles and remarks may stand above the headers.
HEADER_ROWS: Final = 10

_PLAIN: Final = (str, int, float, date, time, timedelta)
# What the parser raises on files that are not what they say: it does not check what it reads.
_DAMAGE = (
    AttributeError, EOFError, IndexError, KeyError, NotImplementedError, OverflowError, RecursionError, RuntimeError,
    SyntaxError, TypeError, ValueError, zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; `column` is a letter, `row` counts from 1."""

    sheet: str
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        return self.sheet if self.row is None else f"{self.sheet}!{self.column or ''}{self.row}"


@dataclass(frozen=True, slots=True)
class Cell:
    """A value and its place."""

    value: CellValue
    place: Place


@dataclass(frozen=True, slots=True)
class GridFault:
    """Something wrong with a sheet as a whole, or with a cell no column knows."""

    place: Place
    detail: str


@dataclass(frozen=True, slots=True)
class Grid:
    """One sheet: its rows below the headers, each with a cell for every column there is, empty or not."""

    sheet: Sheet
    title: str
    rows: tuple[Mapping[str, Cell], ...]
    faults: tuple[GridFault, ...]


def read_grids(content: bytes) -> tuple[dict[str, Grid], list[GridFault]]:
    """Read the sheets of a problem.

    Returns
    -------
    dict[str, Grid]
        By the sheet's English name; those the workbook lacks are left out.
    list[GridFault]
        What is wrong with the sheets.

    Raises
    ------
    WorkbookUnreadable, WorkbookTooLarge
        If it cannot be parsed, or should not be.
    """
    has_formulas = check_archive(content)
    try:
        values = _cells(content, computed=True)
        formulas = _cells(content, computed=False) if has_formulas else values
    except _DAMAGE as error:
        raise WorkbookUnreadable("this is a damaged workbook") from error
    found: dict[str, Grid] = {}
    faults: list[GridFault] = []
    for title, rows in values.items():
        sheet = _sheet(title)
        if sheet is None:
            continue
        if sheet.label.en in found:
            faults.append(GridFault(Place(title), f"sheet {found[sheet.label.en].title!r} says the same"))
            continue
        found[sheet.label.en] = _grid(sheet, title, rows, formulas[title])
        faults.extend(found[sheet.label.en].faults)
    faults.extend(
        GridFault(Place(sheet.label.ja), f"the workbook has no sheet {sheet.label.ja} ({sheet.label.en})")
        for sheet in SHEETS
        if sheet.needed and sheet.label.en not in found
    )
    return found, faults


Rows = list[list[CellValue]]


def _sheet(title: str) -> Sheet | None:
    return next((known for known in SHEETS if plain(title) in known.label.spellings()), None)


def _cells(content: bytes, *, computed: bool) -> dict[str, Rows]:
    book: Workbook = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=computed, keep_links=False)
    try:
        # A sheet that is only a chart holds nothing to read.
        sheets = [sheet for sheet in book.worksheets if isinstance(sheet, ReadOnlyWorksheet)]
        rows: dict[str, Rows] = {}
        read: set[Sheet | None] = {None}
        for sheet in sheets:
            known = _sheet(sheet.title)
            # Hundreds of large sheets that say nothing, or the same, would take minutes.
            rows[sheet.title] = [] if known in read else list(_sheet_rows(sheet))
            read.add(known)
        return rows
    finally:
        book.close()


def _sheet_rows(sheet: ReadOnlyWorksheet) -> Iterator[list[CellValue]]:
    # The file says itself how large a sheet is, and need not be right.
    sheet.reset_dimensions()
    # The stubs give `iter_rows` the `self` of another class.
    for row in sheet.iter_rows(  # type: ignore[misc]
        max_row=ROW_LIMIT + 1, max_col=COLUMN_LIMIT, values_only=True
    ):
        # What Excel shows as formatted text or as a formula of several cells is text here.
        yield [value if isinstance(value, _PLAIN) or value is None else str(value) for value in row]


def _grid(sheet: Sheet, title: str, rows: Rows, formulas: Rows) -> Grid:
    header, fields = _header(sheet, rows)
    if header is None:
        names = ", ".join(f"{column.label.ja} ({column.label.en})" for column in sheet.columns)
        return Grid(
            sheet, title, (), (GridFault(Place(title), f"no row has headers; those of this sheet are {names}"),)
        )
    faults = [*_unknown_headers(title, header, rows[header], fields)]
    read: list[Mapping[str, Cell]] = []
    for index in range(header + 1, min(len(rows), ROW_LIMIT)):
        cells = {
            field: Cell(_value(rows[index], column), Place(title, index + 1, get_column_letter(column + 1)))
            for field, column in fields.items()
        }
        uncomputed = [
            cell.place
            for field, cell in cells.items()
            if cell.value is None and _is_formula(formulas, index, fields[field])
        ]
        faults.extend(
            GridFault(place, "the formula has no saved value: open and save the workbook in Excel, or write the value")
            for place in uncomputed
        )
        if uncomputed or not all(is_empty(cell.value) for cell in cells.values()):
            read.append(cells)
    if any(not is_empty(value) for row in rows[ROW_LIMIT:] for value in row):
        faults.append(GridFault(Place(title), f"a sheet has {ROW_LIMIT} rows at most"))
    return Grid(sheet, title, tuple(read), tuple(faults))


def _header(sheet: Sheet, rows: Rows) -> tuple[int | None, dict[str, int]]:
    """Return the row of the headers and the column of each field: of the first rows the one with the most headers."""
    best: tuple[int | None, dict[str, int]] = (None, {})
    for index, row in enumerate(rows[:HEADER_ROWS]):
        fields: dict[str, int] = {}
        for position, value in enumerate(row):
            field = _field(sheet, value)
            if field is not None:
                fields.setdefault(field, position)
        if len(fields) > len(best[1]):
            best = (index, fields)
    return best


def _field(sheet: Sheet, value: CellValue) -> str | None:
    if not isinstance(value, str):
        return None
    spelling = plain(value)
    return next((column.field for column in sheet.columns if spelling in column.label.spellings()), None)


def _unknown_headers(title: str, header: int, row: list[CellValue], fields: Mapping[str, int]) -> Iterator[GridFault]:
    for position, value in enumerate(row):
        if is_empty(value) or position in fields.values() or plain(str(value)) in IGNORED:
            continue
        place = Place(title, header + 1, get_column_letter(position + 1))
        yield GridFault(place, f"no column is called {str(value)[:40]!r}, or it stands twice")


def _value(row: list[CellValue], column: int) -> CellValue:
    return row[column] if column < len(row) else None


def _is_formula(formulas: Rows, index: int, column: int) -> bool:
    value = _value(formulas[index], column) if index < len(formulas) else None
    return value is not None
