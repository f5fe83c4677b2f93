"""Two plans side by side."""

from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter

from services.planner.domain.calendar import CalendarTooShort, CountryUnknown, HolidaySource
from services.planner.domain.compare import NamedPlan, PlansNotComparable, compare_plans
from services.planner.domain.plan import PlanInvalid
from services.planner.domain.plan_desk import PlanDesk
from services.planner.domain.plan_records import PlanMissing, PlanNotFound
from services.planner.domain.problem import ProblemInvalid
from services.planner.routes.reach import check_reach
from services.planner.schemas.comparison import CompareRequest, ComparisonBody, PlanSourceBody
from services.planner.schemas.plans import named_plan
from shared.http.dependencies import AssetOutOfReach, NotAllowed, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/planner", tags=["scores"])


@router.post(
    "/compare",
    responses=responses(
        NotAllowed,
        AssetOutOfReach,
        PlanMissing,
        PlanNotFound,
        ProblemInvalid,
        PlanInvalid,
        CountryUnknown,
        CalendarTooShort,
        PlansNotComparable,
    ),
)
async def compare(
    body: CompareRequest,
    desk: Annotated[PlanDesk, use(PlanDesk)],
    holidays: Annotated[HolidaySource, use(HolidaySource)],
    limiter: Annotated[CapacityLimiter, use(CapacityLimiter)],
    caller: Annotated[Principal, require(Permission.SCORE)],
) -> ComparisonBody:
    """Compare an older plan with a newer one rule by rule, device by device and in money.

    A plan is named by its id or given with its problem.
    """

    def read(index: int, source: PlanSourceBody) -> NamedPlan:
        if source.id is not None:
            record = desk.look(source.id).plan
            check_reach(caller, record.summary.assets)
            return named_plan(record, holidays, source.name)
        check_reach(caller, source.assets())
        return source.to_plan(holidays, f"/plans/{index}")

    def work() -> ComparisonBody:
        first, second = (read(index, source) for index, source in enumerate(body.plans))
        return ComparisonBody.of(compare_plans(first, second, body.cost_per_soft_point), body.plans)

    return await to_thread.run_sync(work, limiter=limiter)
