"""An empty workbook to fill in, or rather one with a small example: every sheet, choices and a word on every rule."""

import io
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from services.planner.domain.calendar import Calendar
from services.planner.domain.constraints.area_exclusive import AreaExclusive
from services.planner.domain.constraints.busy_season import BusySeason
from services.planner.domain.constraints.condition import Condition
from services.planner.domain.constraints.daily_limit import DailyLimit
from services.planner.domain.constraints.disruption import Disruption
from services.planner.domain.constraints.monthly_levelling import MonthlyLevelling
from services.planner.domain.constraints.return_interval import ReturnInterval
from services.planner.domain.constraints.return_limit import ReturnLimit
from services.planner.domain.constraints.same_type_spacing import SameTypeSpacing
from services.planner.domain.plan_report import Language
from services.planner.domain.problem import Area, Device, DeviceType, Horizon, Problem, build_problem
from services.planner.domain.rule import Rule
from services.planner.workbook.grid import ROW_LIMIT
from services.planner.workbook.names import CALENDAR, DEFINITIONS, DEVICES, KEYS, RULE_SHEET, SEASONS, SHEETS, TYPES
from services.planner.workbook.paper import DATE_FORMAT, empty_book, put, remark
from services.planner.workbook.words import KINDS, RULE_HELP, RULES, Label
from services.planner.workbook.write import write_problem

# The rules nobody needs at first stand in the sheet, switched off.
_OPTIONAL: Final = ("condition", "disruption")


def write_template(language: Language) -> bytes:
    """Return the workbook in one language; comments speak both."""
    book = empty_book()
    write_problem(book, _example(), language, country="JP")
    written = {sheet.title: sheet for sheet in book.worksheets}
    sheets = {sheet.label.en: written[sheet.label.text(language)] for sheet in SHEETS}
    for sheet in SHEETS:
        for number, column in enumerate(sheet.columns, 1):
            both = f"{column.label.ja} / {column.label.en}"
            remark(sheets[sheet.label.en].cell(1, number), f"{both}\n{_both(column.help)}")
    _explain_definitions(sheets["Definitions"])
    _explain_rules(sheets["Rules"])
    _add_choices(sheets, language)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _both(label: Label) -> str:
    return f"{label.ja}\n{label.en}"


def _explain_definitions(sheet: Worksheet) -> None:
    for row in range(2, sheet.max_row + 1):
        written = sheet.cell(row, 1).value
        column = next(key for key in KEYS if written in (key.label.ja, key.label.en))
        remark(sheet.cell(row, 1), f"{column.label.ja} / {column.label.en}\n{_both(column.help)}")


def _explain_rules(sheet: Worksheet) -> None:
    for row in range(2, sheet.max_row + 1):
        written = sheet.cell(row, 1).value
        name = next(name for name, label in RULES.items() if written in (label.ja, label.en))
        remark(sheet.cell(row, 1), f"{RULES[name].ja} / {name}\n{_both(RULE_HELP[name])}")
        if name in _OPTIONAL:
            put(sheet, row, RULE_SHEET.column("on"), value="no")


def _add_choices(sheets: Mapping[str, Worksheet], language: Language) -> None:
    devices, types, seasons = sheets["Devices"], sheets["Inspection days"], sheets["Busy seasons"]
    rules, calendar = sheets["Rules"], sheets["Calendar"]
    kinds = f"'{types.title}'!$A$2:$A$1000"
    _choose(devices, DEVICES.column("type"), kinds)
    for field in ("previous_end", "start", "condition_due"):
        _dates(devices, DEVICES.column(field))
    _choose(devices, DEVICES.column("pinned"), '"yes,no"')
    _whole_numbers(types, TYPES.column("inspection_days"), least=1)
    for field in ("from", "to"):
        _dates(seasons, SEASONS.column(field))
    _whole_numbers(seasons, SEASONS.column("max"), least=0)
    _choose(seasons, SEASONS.column("count"), '"simultaneous,starts"')
    _dates(calendar, CALENDAR.column("date"))
    _choose(calendar, CALENDAR.column("kind"), f'"{",".join(label.text(language) for label in KINDS.values())}"')
    _choose(rules, RULE_SHEET.column("rule"), f'"{",".join(label.text(language) for label in RULES.values())}"')
    _choose(rules, RULE_SHEET.column("on"), '"yes,no"')
    _whole_numbers(rules, RULE_SHEET.column("threshold"), least=0)
    _choose(rules, RULE_SHEET.column("count"), '"days,devices"')
    _choose(sheets["Definitions"], DEFINITIONS.column("key"), f'"{",".join(key.label.text(language) for key in KEYS)}"')


def _choose(sheet: Worksheet, column: int, source: str) -> None:
    # Excel holds lists of up to 255 characters; a longer one would make it call the file damaged.
    if len(source) <= 255:
        _validate(sheet, column, DataValidation(type="list", formula1=source, allow_blank=True))


def _dates(sheet: Worksheet, column: int) -> None:
    # 1990 to 2100: a date far outside is a slip of the pen.
    check = DataValidation(type="date", operator="between", formula1="32874", formula2="73415", allow_blank=True)
    _validate(sheet, column, check)
    for row in range(2, 400):
        sheet.cell(row, column).number_format = DATE_FORMAT


def _whole_numbers(sheet: Worksheet, column: int, *, least: int) -> None:
    check = DataValidation(type="whole", operator="greaterThanOrEqual", formula1=str(least), allow_blank=True)
    _validate(sheet, column, check)


def _validate(sheet: Worksheet, column: int, check: DataValidation) -> None:
    letter = get_column_letter(column)
    check.add(f"{letter}2:{letter}{ROW_LIMIT - 1}")
    check.showErrorMessage = True
    sheet.add_data_validation(check)


def _example() -> Problem:
    """Return a small case with every rule in it."""
    return build_problem(
        name="FY2026",
        horizon=Horizon(date(2026, 4, 1), date(2027, 3, 31)),
        calendar=Calendar(),
        levels=("hard", "medium", "soft"),
        areas=[Area(number) for number in range(1, 6)],
        types=[DeviceType("A", 16, "large"), DeviceType("B", 12, "standard")],
        devices=[
            Device("A01", "A", date(2024, 9, 13)),
            Device("A02", "A", date(2024, 4, 19)),
            Device("B01", "B", date(2024, 11, 8)),
        ],
        rules=_rules(),
    )


def _rules() -> list[Rule]:
    one, hundred = Decimal(1), Decimal(100)
    return [
        DailyLimit(key="daily_limit", level="hard", weight=hundred, max_devices=5),
        AreaExclusive(key="area_exclusive", level="hard", weight=hundred),
        ReturnLimit(key="return_limit", level="hard", weight=one, days=900),
        BusySeason(
            key="busy_season",
            level="soft",
            weight=hundred,
            device_class="large",
            first=date(2026, 7, 1),
            last=date(2026, 9, 30),
            max_devices=3,
        ),
        SameTypeSpacing(key="same_type_spacing", level="soft", weight=Decimal(10), days=14),
        ReturnInterval(key="return_interval", level="soft", weight=one, days=900),
        MonthlyLevelling(key="monthly_levelling", level="soft", weight=hundred),
        Condition(key="condition", level="soft", weight=Decimal(10)),
        Disruption(key="disruption", level="soft", weight=one),
    ]
