"""Workbooks for the tests, written with another hand than the product's."""

import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import openpyxl

Rows = Sequence[Sequence[Any]]

JAPANESE: Mapping[str, Rows] = {
    "検査対象機器": [
        ["機器種別", "機器名", "前回検査終了日", "検査開始日", "検査エリア"],
        ["A", "A01", "2017/9/15", "2019/4/22", 1],
        ["A", "A02", date(2017, 4, 20), date(2019, 7, 25), "1"],
    ],
    "定義": [
        ["キー", "値"],
        ["1日あたりの同時検査台数制限", 5],
        ["限度日数", 900],
        ["計画年度", 2019],
        ["祝日の国", "JP"],
    ],
    "検査日数": [["機器種別", "検査日数"], ["A", 16]],
}
ENGLISH: Mapping[str, Rows] = {
    "Devices": [
        ["type", "device", "previous end", "start", "area"],
        ["A", "A01", "2017-09-15", "2019-04-22", 1],
        ["A", "A02", "2017-04-20", "2019-07-25", 1],
    ],
    "Definitions": [
        ["key", "value"],
        ["daily limit", 5],
        ["return limit", 900],
        ["horizon start", "2019-04-01"],
        ["horizon end", date(2020, 3, 31)],
        ["country", "JP"],
    ],
    "Inspection days": [["type", "inspection days"], ["A", 16]],
}


def book(sheets: Mapping[str, Rows], **changed: Rows) -> bytes:
    """A workbook of these sheets."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.worksheets[0])
    for title, rows in {**sheets, **changed}.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def rows_of(content: bytes, title: str) -> list[tuple[Any, ...]]:
    """The rows of a sheet of a workbook; openpyxl gives dates a time of day."""
    rows = openpyxl.load_workbook(io.BytesIO(content))[title].iter_rows(values_only=True)
    return [tuple(value.date() if isinstance(value, datetime) else value for value in row) for row in rows]
