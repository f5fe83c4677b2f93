"""What every way of asking for a plan has in common."""

from dataclasses import dataclass
from typing import Annotated

from anyio import to_thread
from fastapi import Depends, Header, Response

from services.planner.domain.calendar import CalendarTooShort, CountryUnknown, HolidaySource
from services.planner.domain.inspections import InspectionStore
from services.planner.domain.plan import PlanInvalid
from services.planner.domain.plan_desk import PlanDesk, SearchTooLong
from services.planner.domain.problem import ProblemInvalid
from services.planner.domain.search_limits import ProblemTooLarge, WeightsTooLarge
from services.planner.routes.reach import check_reach
from services.planner.schemas.plans import PlanRequest
from shared.contracts.job import IdempotencyConflict, QueueUnavailable
from shared.http.dependencies import AssetOutOfReach, NotAllowed, require, use
from shared.http.jobs import JobResponse, accepted
from shared.principal import Permission, Principal

ORDER_ERRORS = (
    NotAllowed,
    AssetOutOfReach,
    ProblemInvalid,
    PlanInvalid,
    CountryUnknown,
    CalendarTooShort,
    SearchTooLong,
    WeightsTooLarge,
    ProblemTooLarge,
    IdempotencyConflict,
    QueueUnavailable,
)


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """Takes orders of one caller."""

    desk: PlanDesk
    holidays: HolidaySource
    inspections: InspectionStore
    caller: Principal
    idempotency_key: str | None
    response: Response

    async def take(self, body: PlanRequest) -> JobResponse:
        """Accept a request for a plan."""
        return await to_thread.run_sync(self._take, body)

    def _take(self, body: PlanRequest) -> JobResponse:
        check_reach(self.caller, (device.asset for device in body.problem.devices))
        if body.use_inspections:
            devices = [(device.id, device.asset) for device in body.problem.devices]
            body = body.with_previous_ends(self.inspections.last_ends(devices, body.problem.horizon.start))
        order = body.to_order(self.holidays)
        job = self.desk.order(order, owner=self.caller.subject, idempotency_key=self.idempotency_key)
        return accepted(job, self.response)


def order_desk(  # noqa: PLR0917 (FastAPI passes them by name)
    response: Response,
    desk: Annotated[PlanDesk, use(PlanDesk)],
    holidays: Annotated[HolidaySource, use(HolidaySource)],
    inspections: Annotated[InspectionStore, use(InspectionStore)],
    caller: Annotated[Principal, require(Permission.PLAN)],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> OrderDesk:
    """Inject the desk that takes this caller's order."""
    return OrderDesk(desk, holidays, inspections, caller, idempotency_key, response)


Orders = Annotated[OrderDesk, Depends(order_desk)]
