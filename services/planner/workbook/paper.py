"""Writing cells: text stays text, dates are dates, headers are easy to find."""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from openpyxl.cell import Cell, MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

DATE_FORMAT: Final = "yyyy/m/d"
_HEADER: Final = PatternFill("solid", fgColor="FFD9E2F0")
_BOLD: Final = Font(bold=True)
# What XML 1.0 cannot hold.
_UNWRITABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LONGEST_TEXT: Final = 32_767
# What Excel takes for a formula; a Japanese one, the wide ones too.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")

Shown = str | int | float | bool | date | Decimal | None


def put(sheet: Worksheet, row: int, column: int, value: Shown) -> Cell | MergedCell:
    """Write a cell.

    A text that begins like a formula is written as the text it is: names come from whoever made the problem, and a
    workbook is opened by somebody else.
    """
    cell = sheet.cell(row, column)
    if isinstance(value, str):
        cell.value = _UNWRITABLE.sub("�", value)[:_LONGEST_TEXT]
        cell.data_type = "s"
        if value.startswith(_FORMULA_STARTS):
            # Excel would read it as a formula as soon as somebody edits the cell.
            cell.quotePrefix = True
    elif isinstance(value, bool):
        cell.value = "yes" if value else "no"
    elif value is not None:
        cell.value = value
        if isinstance(value, date):
            cell.number_format = DATE_FORMAT
    return cell


def add_sheet(book: Workbook, title: str, headers: Sequence[str], widths: Sequence[int] = ()) -> Worksheet:
    """Add a sheet with headers that stay in sight."""
    sheet: Worksheet = book.create_sheet(title)
    for column, header in enumerate(headers, 1):
        cell = put(sheet, 1, column, header)
        cell.font, cell.fill = _BOLD, _HEADER
        cell.alignment = Alignment(vertical="center", wrap_text=True)
        sheet.column_dimensions[get_column_letter(column)].width = widths[column - 1] if widths else 16
    sheet.freeze_panes = "A2"
    return sheet


def add_rows(sheet: Worksheet, rows: Sequence[Sequence[Shown]]) -> None:
    """Write rows below the headers, and let them be filtered."""
    first = sheet.max_row + 1
    for offset, row in enumerate(rows):
        for column, value in enumerate(row, 1):
            if value is not None:
                put(sheet, first + offset, column, value)
    if rows:
        sheet.auto_filter.ref = f"A1:{get_column_letter(sheet.max_column)}{sheet.max_row}"


def remark(cell: Cell | MergedCell, text: str) -> None:
    """Attach a comment that is shown when the pointer is on the cell."""
    comment = Comment(text, "Futago")
    comment.width, comment.height = 360, 40 + 20 * (1 + len(text) // 40)
    cell.comment = comment


def empty_book() -> Workbook:
    """Return a workbook without a sheet."""
    book = Workbook()
    for sheet in book.worksheets:
        book.remove(sheet)
    return book
