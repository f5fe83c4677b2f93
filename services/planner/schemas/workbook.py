"""A workbook as a problem: its document validated like any other, its faults told by sheet, row and column."""

from dataclasses import dataclass

from pydantic import ValidationError

from services.planner.domain.calendar import HolidaySource
from services.planner.domain.problem import Problem, ProblemInvalid
from services.planner.schemas.faults import faults_of
from services.planner.schemas.plan import PlanBody
from services.planner.schemas.problem import ProblemBody
from services.planner.workbook.read import read_workbook


@dataclass(frozen=True, slots=True)
class ReadWorkbook:
    """The problem of a workbook, and the made plan in it, which has no assignments if there is none."""

    body: ProblemBody
    problem: Problem
    plan: PlanBody


def parse_workbook(content: bytes, holidays: HolidaySource) -> ReadWorkbook:
    """Read a workbook.

    Raises
    ------
    WorkbookUnreadable, WorkbookTooLarge
        If it cannot be parsed, or should not be.
    WorkbookInvalid
        With every fault and its sheet, row and column.
    CountryUnknown, CalendarTooShort
        As the problem says.
    """
    read = read_workbook(content)
    try:
        body = ProblemBody.model_validate(read.document)
    except ValidationError as error:
        read.check(faults_of(error))
        raise ProblemInvalid(faults_of(error)) from None
    read.check()
    try:
        problem = body.to_problem(holidays)
    except ProblemInvalid as error:
        read.check(error.faults)
        raise
    return ReadWorkbook(body, problem, PlanBody.model_validate({"assignments": read.assignments}))
