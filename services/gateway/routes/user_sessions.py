"""Where a user is logged in, and ending it."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.gateway.domain.errors import (
    BeyondOwnRights,
    FreshLoginRequired,
    InvalidQuery,
    NotAllowed,
    RedisAway,
    SessionMissing,
    UserMissing,
)
from services.gateway.domain.pages import DEFAULT_ITEMS, MAX_ITEMS
from services.gateway.domain.session_desk import SessionDesk
from services.gateway.routes.callers import Origin, VerifiedCaller
from services.gateway.schemas.user_sessions import SessionPage
from shared.http.dependencies import use
from shared.http.problems import responses

router = APIRouter(prefix="/api/v1/users/{username}/sessions", tags=["users"])

Desk = Annotated[SessionDesk, use(SessionDesk)]

_ENDING = (NotAllowed, BeyondOwnRights, FreshLoginRequired, UserMissing, RedisAway)


@router.get("", responses=responses(NotAllowed, BeyondOwnRights, UserMissing, InvalidQuery))
async def list_sessions(
    username: str,
    desk: Desk,
    caller: VerifiedCaller,
    limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = DEFAULT_ITEMS,
    cursor: str | None = None,
) -> SessionPage:
    """List one's own sessions that have not ended, or as an administrator somebody's; newest first."""
    page = await desk.page(caller.principal, username, limit=limit, cursor=cursor)
    return SessionPage.of(page, caller.session_id)


@router.delete("", status_code=204, responses=responses(*_ENDING))
async def end_sessions(username: str, desk: Desk, caller: VerifiedCaller, origin: Origin) -> None:
    """End all of them, the one of this request too: no token of theirs works any more, on any replica.

    One's own are ended in a session whose login is recent.
    """
    await desk.end_all(caller, username, origin)


@router.delete("/{session_id}", status_code=204, responses=responses(*_ENDING, SessionMissing))
async def end_session(username: str, session_id: str, desk: Desk, caller: VerifiedCaller, origin: Origin) -> None:
    """End one: neither its access token nor its refresh token works any more, on any replica.

    One's own is ended in a session whose login is recent; the session of the request itself also by a logout.
    """
    await desk.end(caller, username, session_id, origin)
