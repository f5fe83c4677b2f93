"""Finished inspections: told, and listed."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, status

from services.planner.domain.inspections import InspectionDiffers, InspectionNews, InspectionStore
from services.planner.routes.reach import check_reach, reachable
from services.planner.schemas.inspections import InspectionBody, InspectionListBody, InspectionRequest
from shared.clock import Clock
from shared.contracts.job import CursorInvalid
from shared.http.dependencies import AssetOutOfReach, NotAllowed, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/planner", tags=["inspections"])

Store = Annotated[InspectionStore, use(InspectionStore)]


@router.post(
    "/inspections",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotAllowed, AssetOutOfReach, InspectionDiffers),
)
async def record_inspection(
    body: InspectionRequest,
    store: Store,
    news: Annotated[InspectionNews, use(InspectionNews)],
    clock: Annotated[Clock, use(Clock)],
    caller: Annotated[Principal, require(Permission.PLAN)],
) -> InspectionBody:
    """Record a finished inspection; told twice, it is one record.

    A plan asked for with `use_inspections` begins with its last day as the device's previous end, and the health of
    its asset begins anew.
    """
    check_reach(caller, (body.asset,))
    inspection = body.to_inspection(recorded_by=caller.subject, recorded_at=clock.now())
    kept = await to_thread.run_sync(store.record, inspection)
    # Also of one that was known: the news of it may have been lost.
    await news.finished(kept)
    return InspectionBody.of(kept)


@router.get("/inspections", responses=responses(NotAllowed, CursorInvalid))
async def list_inspections(
    store: Store,
    caller: Annotated[Principal, require(Permission.READ)],
    device: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]+$")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=256)] = None,
) -> InspectionListBody:
    """List inspections, newest first; those of assets out of the caller's reach are left out of the page."""
    page = await to_thread.run_sync(lambda: store.page(device=device, limit=limit, cursor=cursor))
    return InspectionListBody.of(page, tuple(entry for entry in page.items if reachable(caller, (entry.asset,))))
