"""A plan as comma-separated text."""

import csv
import io
from typing import Final

from services.planner.domain.plan_report import PlanReport

_HEADERS: Final = ("type", "device", "start", "end", "area", "return_interval_days", "previous_end")
# A spreadsheet takes a text that begins with one of these for a formula; a Japanese one, the wide ones too.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_csv(report: PlanReport) -> bytes:
    """Return a line for each device, in the order of the problem's devices; UTF-8 with a mark Excel knows it by."""
    problem, plan = report.problem, report.plan
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_HEADERS)
    for index, device in enumerate(problem.devices):
        writer.writerow(
            (
                _harmless(device.type),
                _harmless(device.id),
                plan.start_date(problem, index).isoformat(),
                plan.end_date(problem, index).isoformat(),
                _harmless(str(problem.areas[plan.area[index]].id)),
                plan.return_interval_days(problem, index),
                device.previous_end.isoformat(),
            )
        )
    return text.getvalue().encode("utf-8-sig", errors="replace")


def _harmless(name: str) -> str:
    return f"'{name}" if name.startswith(_FORMULA_STARTS) else name
