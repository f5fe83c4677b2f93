"""A plan as a file: workbook, CSV, calendar, page; and the workbook to fill in."""

from decimal import Decimal
from typing import Annotated, Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from services.planner.domain.calendar import HolidaySource
from services.planner.domain.compare import PlansNotComparable, compare_plans
from services.planner.domain.plan_desk import PlanDesk
from services.planner.domain.plan_records import PlanMissing, PlanNotFound, PlanRecord
from services.planner.domain.plan_report import FileFormat, Language, PlanReport
from services.planner.exports.calendar_file import write_ics
from services.planner.exports.page import POLICY, write_page
from services.planner.exports.plan_table import write_csv
from services.planner.routes.reach import check_reach
from services.planner.schemas.plans import assets_of, named_plan, report_of
from services.planner.workbook.result import write_result
from services.planner.workbook.template import write_template
from shared.clock import Clock
from shared.http.dependencies import AssetOutOfReach, NotAllowed, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/planner", tags=["files"])

_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MEDIA_TYPES: Final = {
    FileFormat.XLSX: _XLSX,
    FileFormat.CSV: "text/csv; charset=utf-8",
    FileFormat.ICS: "text/calendar; charset=utf-8",
    FileFormat.HTML: "text/html; charset=utf-8",
}
_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "the file", "content": {name.partition(";")[0]: _FILE for name in _MEDIA_TYPES.values()}}
}
_TEMPLATE: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "the workbook", "content": {_XLSX: _FILE}}}

Words = Annotated[Language, Query(description="of sheet names and headers; either is read")]
Money = Annotated[Decimal | None, Query(ge=0, max_digits=18, decimal_places=6, allow_inf_nan=False)]


@router.get("/template.xlsx", response_class=Response, responses={**responses(NotAllowed), **_TEMPLATE})
async def get_template(
    _caller: Annotated[Principal, require(Permission.READ)], language: Words = Language.JAPANESE
) -> Response:
    """Return a workbook to fill in, with a small example, choices, and a comment on each rule and column."""
    content = await to_thread.run_sync(write_template, language)
    return _file(content, FileFormat.XLSX, "template.xlsx")


@router.get(
    "/plans/{plan_id}.{form}",
    response_class=Response,
    responses={
        **responses(NotAllowed, AssetOutOfReach, PlanMissing, PlanNotFound, PlansNotComparable),
        **_FILES,
    },
)
async def get_plan_file(  # noqa: PLR0917 (FastAPI passes them by name)
    plan_id: str,
    form: Annotated[FileFormat, Path()],
    desk: Annotated[PlanDesk, use(PlanDesk)],
    holidays: Annotated[HolidaySource, use(HolidaySource)],
    clock: Annotated[Clock, use(Clock)],
    limiter: Annotated[CapacityLimiter, use(CapacityLimiter)],
    caller: Annotated[Principal, require(Permission.READ)],
    language: Words = Language.JAPANESE,
    compare_with: Annotated[
        str | None, Query(max_length=200, description="id of an older plan: the workbook compares the two")
    ] = None,
    cost_per_soft_point: Money = None,
) -> Response:
    """Return a plan as a workbook, as CSV, as a calendar, or as a page with Gantt chart and convergence."""

    def look(wanted: str) -> PlanRecord:
        record = desk.look(wanted).plan
        check_reach(caller, record.summary.assets)
        return record

    def work() -> bytes:
        record = look(plan_id)
        comparison = None
        if compare_with is not None:
            older = named_plan(look(compare_with), holidays)
            comparison = compare_plans(older, named_plan(record, holidays), cost_per_soft_point)
        report = report_of(record, holidays, comparison)
        return _write(form, report, language, assets_of(record), clock)

    return _file(await to_thread.run_sync(work, limiter=limiter), form, f"plan-{plan_id}.{form.value}")


def _write(form: FileFormat, report: PlanReport, language: Language, assets: list[str | None], clock: Clock) -> bytes:
    match form:
        case FileFormat.XLSX:
            return write_result(report, language, assets=assets)
        case FileFormat.CSV:
            return write_csv(report)
        case FileFormat.ICS:
            return write_ics(report, now=clock.now())
        case FileFormat.HTML:
            return write_page(report).encode()


def _file(content: bytes, form: FileFormat, name: str) -> Response:
    # A page is looked at; what else there is goes to the disk, under a name without surprises.
    shown = "inline" if form is FileFormat.HTML else "attachment"
    safe = "".join(letter for letter in name if letter.isascii() and (letter.isalnum() or letter in ".-_"))
    headers = {"Content-Disposition": f'{shown}; filename="{safe}"', "X-Content-Type-Options": "nosniff"}
    if form is FileFormat.HTML:
        headers["Content-Security-Policy"] = POLICY
    return Response(content, media_type=_MEDIA_TYPES[form], headers=headers)
