"""The score of a plan made elsewhere."""

from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter

from services.planner.domain.calendar import CalendarTooShort, CountryUnknown, HolidaySource
from services.planner.domain.explain import explain
from services.planner.domain.plan import find_invalid, make_plan
from services.planner.domain.problem import ProblemInvalid
from services.planner.routes.reach import check_reach
from services.planner.routes.workbooks import WORKBOOK_ERRORS, form_beside_json
from services.planner.schemas.plan import ScoringBody
from services.planner.schemas.plans import ScoreRequest
from shared.http.dependencies import AssetOutOfReach, NotAllowed, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/planner", tags=["scores"])


@router.post(
    "/score",
    responses=responses(
        NotAllowed, AssetOutOfReach, ProblemInvalid, CountryUnknown, CalendarTooShort, *WORKBOOK_ERRORS
    ),
    openapi_extra=form_beside_json(),
)
async def score_plan(
    body: ScoreRequest,
    holidays: Annotated[HolidaySource, use(HolidaySource)],
    limiter: Annotated[CapacityLimiter, use(CapacityLimiter)],
    caller: Annotated[Principal, require(Permission.SCORE)],
) -> ScoringBody:
    """Score and explain a plan made by hand or last year; what is wrong with it is listed, and then not scored."""
    check_reach(caller, (device.asset for device in body.problem.devices))
    return await to_thread.run_sync(_score, body, holidays, limiter=limiter)


def _score(body: ScoreRequest, holidays: HolidaySource) -> ScoringBody:
    problem = body.problem.to_problem(holidays, "/problem")
    assignments = body.plan.to_assignments()
    if invalid := find_invalid(problem, assignments):
        return ScoringBody.of_invalid(invalid)
    plan = make_plan(problem, assignments)
    return ScoringBody.of_plan(problem, plan, explain(problem, plan))
