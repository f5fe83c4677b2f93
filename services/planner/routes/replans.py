"""A plan made anew after something changed."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, status

from services.planner.domain.plan_desk import PlanDesk
from services.planner.domain.plan_records import PlanMissing, PlanNotFound
from services.planner.domain.problem import ProblemInvalid
from services.planner.routes.ordering import ORDER_ERRORS, Orders
from services.planner.routes.reach import check_reach
from services.planner.schemas.replan import ReplanRequest
from shared.http.dependencies import use
from shared.http.jobs import JobResponse
from shared.http.problems import responses

router = APIRouter(prefix="/api/v1/planner", tags=["plans"])


@router.post(
    "/plans/{plan_id}/replan",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(PlanMissing, PlanNotFound, *ORDER_ERRORS),
)
async def replan(
    plan_id: str, body: ReplanRequest, orders: Orders, desk: Annotated[PlanDesk, use(PlanDesk)]
) -> JobResponse:
    """Search for a new plan after changes, as a job: what changed is planned anew, the rest moves as little as asked.

    The search begins with the running plan, and moving a device that did not change costs points.
    """
    view = await to_thread.run_sync(desk.look, plan_id)
    check_reach(orders.caller, view.plan.summary.assets)
    request = await to_thread.run_sync(body.to_request, view.plan)
    try:
        return await orders.take(request)
    except ProblemInvalid as error:
        raise ProblemInvalid(body.located(error.faults, request)) from None
