"""Why a plan has its score."""

from datetime import date
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query

from services.planner.domain.calendar import HolidaySource
from services.planner.domain.explain import FilterUnknown, explain
from services.planner.domain.plan_desk import PlanDesk
from services.planner.domain.plan_records import PlanMissing, PlanNotFound, PlanRecord
from services.planner.routes.reach import check_reach
from services.planner.schemas.plan import ExplanationBody
from services.planner.schemas.plans import read_kept
from shared.http.dependencies import AssetOutOfReach, NotAllowed, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/planner", tags=["explanations"])


@router.get(
    "/plans/{plan_id}/explanation",
    responses=responses(NotAllowed, AssetOutOfReach, PlanMissing, PlanNotFound, FilterUnknown),
)
async def explain_plan(  # noqa: PLR0917 (FastAPI passes them by name)
    plan_id: str,
    desk: Annotated[PlanDesk, use(PlanDesk)],
    holidays: Annotated[HolidaySource, use(HolidaySource)],
    limiter: Annotated[CapacityLimiter, use(CapacityLimiter)],
    caller: Annotated[Principal, require(Permission.READ)],
    device: Annotated[str | None, Query(max_length=200)] = None,
    rule: Annotated[str | None, Query(max_length=200, description="a rule, or the name of one instance of it")] = None,
    month: Annotated[str | None, Query(pattern=r"^[0-9]{4}-[0-9]{2}$")] = None,
    area: Annotated[str | None, Query(max_length=200)] = None,
    day: Annotated[date | None, Query()] = None,
) -> ExplanationBody:
    """List every match of the plan, or those of a device, rule, month, area or day, with its dates and points.

    With a `device` the best other places for it are listed too, each with what it would cost.
    """
    view = await to_thread.run_sync(desk.look, plan_id)
    check_reach(caller, view.plan.summary.assets)

    def read_and_explain(record: PlanRecord) -> ExplanationBody:
        problem, plan = read_kept(record, holidays)
        return ExplanationBody.of(explain(problem, plan, device=device, rule=rule, month=month, area=area, day=day))

    return await to_thread.run_sync(read_and_explain, view.plan, limiter=limiter)
