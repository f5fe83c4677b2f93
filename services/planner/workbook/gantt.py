"""The Gantt chart of a plan as coloured cells: a row for each area, a column for each working day."""

from typing import Final

from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from services.planner.domain.plan import Plan
from services.planner.domain.plan_report import Language
from services.planner.domain.problem import Problem
from services.planner.workbook.paper import add_sheet, put
from services.planner.workbook.words import Label

GANTT: Final = Label("ガントチャート", "Gantt")
# Soft colours that black text can be read on; types beyond them begin again.
COLOURS: Final = (
    "8DD3C7", "FFE699", "BEBADA", "FFB3AB", "A6CEE3", "FDC086",
    "C6E5A5", "F7C6DF", "D9D9D9", "D1A5D4", "C7EAC0", "E0C9A6",
)  # fmt: skip
_SHARED: Final = "FF4D4D"
# Before the first day column: the name of the area.
_NAMES: Final = 1
_FIRST_ROW: Final = 4


def write_gantt(book: Workbook, problem: Problem, plan: Plan, language: Language) -> None:
    """Add the chart; days on which an area holds several devices are red."""
    sheet = add_sheet(book, GANTT.text(language), [])
    last = int((plan.start + problem.inspection_days).max())
    days = max(problem.horizon_days, last)
    _write_days(sheet, problem, days)
    put(sheet, 2, 1, Label("検査エリア", "area").text(language)).font = Font(bold=True)
    _write_legend(sheet, problem, days)
    taken: set[tuple[int, int]] = set()
    border = Border(left=Side("thin"))
    for device in plan.start.argsort(kind="stable"):
        row = _FIRST_ROW + int(plan.area[device])
        start, length = int(plan.start[device]), int(problem.inspection_days[device])
        fill = _fill(COLOURS[int(problem.type_of[device]) % len(COLOURS)])
        for day in range(start, start + length):
            shared = (row, day) in taken
            taken.add((row, day))
            sheet.cell(row, _NAMES + 1 + day).fill = _fill(_SHARED) if shared else fill
        name, begin = problem.devices[device].id, _NAMES + 1 + start
        there = sheet.cell(row, begin).value
        written = put(sheet, row, begin, name if there is None else f"{there}, {name}")
        written.border = border
        # Excel lets a text run over the empty cells behind it.
        written.alignment = Alignment(horizontal="left", vertical="center")
    for index, area in enumerate(problem.areas):
        put(sheet, _FIRST_ROW + index, 1, area.id).font = Font(bold=True)
        sheet.row_dimensions[_FIRST_ROW + index].height = 20
    sheet.freeze_panes = f"{get_column_letter(_NAMES + 1)}{_FIRST_ROW}"


def _write_days(sheet: Worksheet, problem: Problem, days: int) -> None:
    """Write months above and days below; a column is one working day."""
    sheet.column_dimensions["A"].width = 14
    small = Font(size=8)
    month_began = 0
    for index, day in enumerate(problem.days[:days]):
        column = _NAMES + 1 + index
        sheet.column_dimensions[get_column_letter(column)].width = 2.8
        cell = put(sheet, 3, column, day.day)
        cell.font, cell.alignment = small, Alignment(horizontal="center")
        if index + 1 == days or problem.days[index + 1].month != day.month:
            begin = _NAMES + 1 + month_began
            put(sheet, 2, begin, f"{day.year}/{day.month}").font = Font(bold=True)
            sheet.merge_cells(start_row=2, end_row=2, start_column=begin, end_column=column)
            month_began = index + 1


def _write_legend(sheet: Worksheet, problem: Problem, days: int) -> None:
    column = _NAMES + 1
    for index, device_type in enumerate(problem.types):
        if column + 3 > _NAMES + days:
            return
        cell = put(sheet, 1, column, device_type.name)
        cell.fill = _fill(COLOURS[index % len(COLOURS)])
        sheet.merge_cells(start_row=1, end_row=1, start_column=column, end_column=column + 2)
        column += 4


def _fill(colour: str) -> PatternFill:
    return PatternFill("solid", fgColor=f"FF{colour}")
