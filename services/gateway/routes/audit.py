"""Reading and verifying the audit trail."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import StreamingResponse

from services.gateway.domain.audit import MAX_TEXT
from services.gateway.domain.audit_lines import line_of
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

Text = Annotated[str | None, Query(max_length=MAX_TEXT)]
_LINES = "application/x-ndjson"
_LINES_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "One entry a line, oldest first", "content": {_LINES: {"schema": {"type": "string"}}}}
}


def _wanted(
    *,
    user: Text = None,
    action: Annotated[
        str | None, Query(max_length=MAX_TEXT, description="the whole name, or its beginning and `*`: `auth.*`")
    ] = None,
    success: bool | None = None,
    since: Annotated[Moment | None, Query(description="from this time on")] = None,
    until: Annotated[Moment | None, Query(description="up to this time, without it")] = None,
    address: Text = None,
    request_id: Text = None,
) -> AuditFilter:
    return AuditFilter(user, action, success, since, until, address, request_id)


Wanted = Annotated[AuditFilter, Depends(_wanted)]


@router.get("", responses=responses(InvalidQuery))
async def list_entries(
    *,
    search: Search,
    auditor: Auditor,
    wanted: Wanted,
    limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = DEFAULT_ITEMS,
    cursor: str | None = None,
) -> AuditPage:
    """List who did what to what, newest first; who is limited to assets sees what the users within did."""
    return AuditPage.of(await search.page(auditor, wanted, limit=limit, cursor=cursor))


@router.get("/export", response_class=StreamingResponse, responses=_LINES_ANSWER)
async def export_entries(search: Search, auditor: Auditor, wanted: Wanted) -> StreamingResponse:
    """Download who did what to what, oldest first, as lines of JSON; an answer that breaks off is not complete."""
    return StreamingResponse(_lines(search, auditor, wanted), media_type=_LINES)


@router.get("/verify", responses=responses(InvalidQuery))
async def verify(search: Search, _caller: Auditor, cursor: str | None = None) -> VerificationResponse:
    """Read the chain and say whether anything was changed, removed or reordered; a long one in parts."""
    return VerificationResponse.of(await search.verify(cursor))


async def _lines(search: AuditSearch, auditor: Principal, wanted: AuditFilter) -> AsyncIterator[str]:
    async for entry in search.everything(auditor, wanted):
        yield line_of(entry) + "\n"
