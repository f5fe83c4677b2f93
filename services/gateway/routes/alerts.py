"""The one list of alerts of the suite."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.gateway.domain.alerts import AlertFilter, AlertList, AlertState
from services.gateway.domain.errors import AlertMissing, InvalidQuery
from services.gateway.domain.pages import DEFAULT_ITEMS, MAX_ITEMS
from services.gateway.routes.callers import Origin
from services.gateway.schemas.fields import Asset
from services.gateway.schemas.records import AlertPage, AlertResponse
from shared.contracts.alert import Severity
from shared.http.dependencies import require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])

Alerts = Annotated[AlertList, use(AlertList)]


@router.get("", responses=responses(InvalidQuery))
async def list_alerts(
    *,
    alerts: Alerts,
    caller: Annotated[Principal, require(Permission.READ)],
    state: AlertState | None = None,
    severity: Severity | None = None,
    asset: Annotated[Asset | None, Query(description="this asset and what lies below it")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = DEFAULT_ITEMS,
    cursor: str | None = None,
) -> AlertPage:
    """List alerts, newest first."""
    return AlertPage.of(await alerts.page(caller, AlertFilter(state, severity, asset), limit=limit, cursor=cursor))


@router.post("/{alert_id}/acknowledge", responses=responses(AlertMissing))
async def acknowledge(
    alert_id: str,
    alerts: Alerts,
    caller: Annotated[Principal, require(Permission.ACKNOWLEDGE)],
    origin: Origin,
) -> AlertResponse:
    """Take note of an alert; the next of its kind is a new one."""
    return AlertResponse.of(await alerts.acknowledge(caller, alert_id, origin))
