"""The same calls with a workbook in the place of JSON, as a form with the field `file`.

These routes have the paths of those that take JSON, and are chosen by the content type.
"""

from typing import Annotated, Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Form, UploadFile, status
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.routing import Match
from starlette.types import Scope

from services.planner.domain.calendar import CalendarTooShort, CountryUnknown, HolidaySource
from services.planner.domain.explain import explain
from services.planner.domain.plan import find_invalid, make_plan
from services.planner.domain.problem import ProblemInvalid
from services.planner.routes.ordering import ORDER_ERRORS, Orders
from services.planner.routes.reach import check_reach
from services.planner.schemas.faults import faults_of
from services.planner.schemas.plan import PlanBody, ScoringBody
from services.planner.schemas.plans import PlanRequest
from services.planner.schemas.solve import SolverBody, TerminationBody
from services.planner.schemas.workbook import parse_workbook
from services.planner.workbook.archive import FILE_LIMIT_BYTES
from services.planner.workbook.errors import WorkbookInvalid, WorkbookTooLarge, WorkbookUnreadable
from shared.http.dependencies import AssetOutOfReach, NotAllowed, require, use
from shared.http.jobs import JobResponse
from shared.http.problems import responses
from shared.principal import Permission, Principal

_FILE: Final = {"type": "string", "format": "binary", "description": "the workbook, an .xlsx"}
_OPTION: Final = {"type": "string", "description": "JSON, as in the body without a workbook"}
# The search begins with the made plan in the workbook.
_MADE: Final = "workbook"
WORKBOOK_ERRORS: Final = (WorkbookInvalid, WorkbookUnreadable, WorkbookTooLarge)


def form_beside_json(*options: str) -> dict[str, Any]:
    """Return what the documentation of a route that takes JSON says of its twin here."""
    fields = {"file": _FILE, **dict.fromkeys(options, _OPTION)}
    form = {"schema": {"type": "object", "required": ["file"], "properties": fields}}
    return {"requestBody": {"content": {"multipart/form-data": form}}}


class FormRoute(APIRoute):
    """A route that is there for forms alone."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Leave every other content type to the route that comes next."""
        headers = dict(scope.get("headers", ()))
        if not headers.get(b"content-type", b"").lower().startswith(b"multipart/form-data"):
            return Match.NONE, {}
        return super().matches(scope)


router = APIRouter(prefix="/api/v1/planner", tags=["plans"], route_class=FormRoute)


@router.post(
    "/plans",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(*ORDER_ERRORS, *WORKBOOK_ERRORS),
    include_in_schema=False,
)
async def order_plan_of_workbook(  # noqa: PLR0917 (FastAPI passes them by name)
    file: UploadFile,
    orders: Orders,
    limiter: Annotated[CapacityLimiter, use(CapacityLimiter)],
    solver: Annotated[str, Form(max_length=10_000)] = "{}",
    termination: Annotated[str, Form(max_length=10_000)] = "{}",
    start_plan: Annotated[str, Form(max_length=1_000_000)] = "null",
    use_inspections: Annotated[bool, Form()] = False,  # noqa: FBT002 (a field of the form)
) -> JobResponse:
    """Search for a plan of the problem in a workbook, as a job."""
    options = {"solver": _option("solver", solver), "termination": _option("termination", termination)}
    begin = None if start_plan == _MADE else _option("start_plan", start_plan)
    content = await file.read(FILE_LIMIT_BYTES + 1)
    read = await to_thread.run_sync(parse_workbook, content, orders.holidays, limiter=limiter)
    begin = read.plan if start_plan == _MADE else begin
    request = PlanRequest(problem=read.body, start_plan=begin, use_inspections=use_inspections, **options)
    return await orders.take(request)


@router.post(
    "/score",
    responses=responses(
        NotAllowed, AssetOutOfReach, ProblemInvalid, CountryUnknown, CalendarTooShort, *WORKBOOK_ERRORS
    ),
    include_in_schema=False,
)
async def score_plan_of_workbook(
    file: UploadFile,
    holidays: Annotated[HolidaySource, use(HolidaySource)],
    limiter: Annotated[CapacityLimiter, use(CapacityLimiter)],
    caller: Annotated[Principal, require(Permission.SCORE)],
) -> ScoringBody:
    """Score and explain the made plan in a workbook."""

    def work(content: bytes) -> ScoringBody:
        read = parse_workbook(content, holidays)
        check_reach(caller, (device.asset for device in read.body.devices))
        assignments = read.plan.to_assignments()
        if invalid := find_invalid(read.problem, assignments):
            return ScoringBody.of_invalid(invalid)
        plan = make_plan(read.problem, assignments)
        return ScoringBody.of_plan(read.problem, plan, explain(read.problem, plan))

    return await to_thread.run_sync(work, await file.read(FILE_LIMIT_BYTES + 1), limiter=limiter)


_OPTIONS: Final[dict[str, TypeAdapter[Any]]] = {
    "solver": TypeAdapter(SolverBody),
    "termination": TypeAdapter(TerminationBody),
    "start_plan": TypeAdapter(PlanBody | None),
}


def _option(name: str, text: str) -> Any:
    """Read a field of the form that holds JSON."""
    try:
        return _OPTIONS[name].validate_json(text)
    except ValidationError as error:
        raise ProblemInvalid(faults_of(error, f"/{name}")) from None
