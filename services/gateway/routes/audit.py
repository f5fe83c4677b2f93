"""Reading and verifying the audit trail."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.gateway.domain.audit import MAX_TEXT
from services.gateway.domain.audit_search import AuditFilter, AuditSearch
from services.gateway.domain.errors import InvalidQuery
from services.gateway.domain.pages import DEFAULT_ITEMS, MAX_ITEMS
from services.gateway.schemas.fields import Moment
from services.gateway.schemas.records import AuditPage, VerificationResponse
from shared.http.dependencies import require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])

Auditor = Annotated[Principal, require(Permission.READ_AUDIT)]
Search = Annotated[AuditSearch, use(AuditSearch)]


@router.get("", responses=responses(InvalidQuery))
async def list_entries(
    *,
    search: Search,
    _caller: Auditor,
    user: Annotated[str | None, Query(max_length=MAX_TEXT)] = None,
    action: Annotated[str | None, Query(max_length=MAX_TEXT)] = None,
    success: bool | None = None,
    since: Annotated[Moment | None, Query(description="from this time on")] = None,
    until: Annotated[Moment | None, Query(description="up to this time, without it")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = DEFAULT_ITEMS,
    cursor: str | None = None,
) -> AuditPage:
    """List who did what to what, newest first."""
    wanted = AuditFilter(user, action, success, since, until)
    return AuditPage.of(await search.page(wanted, limit=limit, cursor=cursor))


@router.get("/verify")
async def verify(search: Search, _caller: Auditor) -> VerificationResponse:
    """Read the whole chain and say whether anything was changed, removed or reordered."""
    return VerificationResponse.of(await search.verify())
