"""Plans: ask for one, look at it, stop its search."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, status

from services.planner.domain.plan_desk import PlanDesk
from services.planner.domain.plan_records import PlanMissing
from services.planner.routes.ordering import ORDER_ERRORS, Orders
from services.planner.routes.reach import check_reach, reachable
from services.planner.routes.workbooks import WORKBOOK_ERRORS, form_beside_json
from services.planner.schemas.plans import PlanListBody, PlanRequest, PlanResponse
from shared.contracts.job import CursorInvalid
from shared.http.dependencies import AssetOutOfReach, NotAllowed, require, use
from shared.http.jobs import JobResponse
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/planner", tags=["plans"])

Desk = Annotated[PlanDesk, use(PlanDesk)]
Reader = Annotated[Principal, require(Permission.READ)]
Planner = Annotated[Principal, require(Permission.PLAN)]


@router.post(
    "/plans",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(*ORDER_ERRORS, *WORKBOOK_ERRORS),
    openapi_extra=form_beside_json("solver", "termination", "start_plan", "use_inspections"),
)
async def order_plan(body: PlanRequest, orders: Orders) -> JobResponse:
    """Search for a plan, as a job; the plan has the job's id and can be looked at from the start."""
    return await orders.take(body)


@router.get("/plans", responses=responses(NotAllowed, CursorInvalid))
async def list_plans(
    desk: Desk,
    caller: Reader,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=256)] = None,
) -> PlanListBody:
    """List plans, newest first; those about assets out of the caller's reach are left out of the page."""
    page = await to_thread.run_sync(lambda: desk.page(limit=limit, cursor=cursor))
    return PlanListBody.of(page, tuple(plan for plan in page.items if reachable(caller, plan.assets)))


@router.get("/plans/{plan_id}", responses=responses(NotAllowed, AssetOutOfReach, PlanMissing))
async def get_plan(plan_id: str, desk: Desk, caller: Reader) -> PlanResponse:
    """Show a plan so far or final, its score by rule, and how the search goes."""
    view = await to_thread.run_sync(desk.look, plan_id)
    check_reach(caller, view.plan.summary.assets)
    return PlanResponse.of_view(view)


@router.post(
    "/plans/{plan_id}/stop",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(NotAllowed, AssetOutOfReach, PlanMissing),
)
async def stop_plan(plan_id: str, desk: Desk, caller: Planner) -> PlanResponse:
    """End the search within about a second and keep the best plan; a finished plan stays as it is."""
    view = await to_thread.run_sync(desk.look, plan_id)
    check_reach(caller, view.plan.summary.assets)
    return PlanResponse.of_view(await to_thread.run_sync(desk.stop, plan_id))
