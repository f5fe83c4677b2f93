"""A plan as a calendar (RFC 5545) that people subscribe to."""

import re
import uuid
from datetime import datetime, timedelta
from typing import Final

from icalendar import Calendar, Event

from services.planner.domain.plan_report import PlanReport

# Events keep their identity between downloads, so that a calendar moves them instead of adding them again.
_NAMESPACE: Final = uuid.UUID("6a5bb1f6-63a5-5a43-9a0c-9a0e2c9c7a11")
# A name with the end of a line in it would end the line of the file.
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def write_ics(report: PlanReport, *, now: datetime) -> bytes:
    """Return a calendar with an all-day event for each inspection.

    Parameters
    ----------
    report
        What to show.
    now
        When the calendar is made, which every event says.
    """
    problem, plan = report.problem, report.plan
    calendar = Calendar()
    calendar.add("prodid", "-//Futago//Inspection planner//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", _one_line(problem.name or "Inspections"))
    for index, device in enumerate(problem.devices):
        event = Event()
        area = problem.areas[plan.area[index]].id
        event.add("uid", f"{uuid.uuid5(_NAMESPACE, f'{report.id}/{device.id}')}@futago")
        event.add("dtstamp", now)
        event.add("summary", _one_line(f"{device.id} ({device.type})"))
        event.add("dtstart", plan.start_date(problem, index))
        # The end of an all-day event is the first day after it.
        event.add("dtend", plan.end_date(problem, index) + timedelta(1))
        event.add("location", _one_line(str(area)))
        event.add("description", f"{plan.return_interval_days(problem, index)} days after {device.previous_end}")
        event.add("transp", "TRANSPARENT")
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _one_line(text: str) -> str:
    return _CONTROLS.sub(" ", text)
