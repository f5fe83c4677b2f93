"""API keys for machines."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.gateway.domain.audit import Source
from services.gateway.domain.errors import (
    ApiKeyMissing,
    BeyondOwnRights,
    ChangedMeanwhile,
    InvalidExpiry,
    InvalidQuery,
    RedisAway,
    ScopesTooWide,
    UserMissing,
)
from services.gateway.domain.key_administration import KeyAdministration, KeyChange, KeyRequest
from services.gateway.domain.pages import DEFAULT_ITEMS, MAX_ITEMS
from services.gateway.routes.callers import source
from services.gateway.schemas.keys import ChangedKey, KeyPage, KeyResponse, NewKey, NewKeyResponse, Rotation
from shared.http.dependencies import caller, use
from shared.http.problems import responses
from shared.principal import Principal

router = APIRouter(prefix="/api/v1/api-keys", tags=["API keys"])

Caller = Annotated[Principal, caller()]
Keys = Annotated[KeyAdministration, use(KeyAdministration)]


@router.get("", responses=responses(InvalidQuery))
async def list_keys(
    keys: Keys,
    principal: Caller,
    limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = DEFAULT_ITEMS,
    cursor: str | None = None,
) -> KeyPage:
    """List one's own keys, or all for those who manage keys."""
    return KeyPage.of(await keys.page(principal, limit=limit, cursor=cursor))


@router.post("", status_code=201, responses=responses(ScopesTooWide, InvalidExpiry, UserMissing))
async def create_key(
    body: NewKey,
    response: Response,
    keys: Keys,
    principal: Caller,
    origin: Annotated[Source, source()],
) -> NewKeyResponse:
    """Make a key; its secret is in this answer and cannot be shown again."""
    asked = KeyRequest(
        name=body.name,
        owner=body.owner,
        scopes=None if body.scopes is None else frozenset(body.scopes),
        assets=tuple(body.assets),
        expires_at=body.expires_at,
        expires_in_days=body.expires_in_days,
    )
    key, minted = await keys.create(principal, asked, origin)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/api/v1/api-keys/{key.key_id}"
    return NewKeyResponse.of_minted(key, minted)


@router.patch(
    "/{key_id}", responses=responses(ApiKeyMissing, ScopesTooWide, InvalidExpiry, ChangedMeanwhile, RedisAway)
)
async def change_key(
    key_id: str, body: ChangedKey, keys: Keys, principal: Caller, origin: Annotated[Source, source()]
) -> KeyResponse:
    """Deactivate a key, or change its name, scopes or expiry."""
    scopes = None if body.scopes is None else frozenset(body.scopes)
    change = KeyChange(body.name, body.active, scopes, body.expires_at)
    return KeyResponse.of(await keys.change(principal, key_id, change, origin))


@router.post("/{key_id}/rotate", responses=responses(ApiKeyMissing, BeyondOwnRights, ChangedMeanwhile, RedisAway))
async def rotate_key(
    *,
    key_id: str,
    response: Response,
    keys: Keys,
    principal: Caller,
    origin: Annotated[Source, source()],
    body: Rotation | None = None,
) -> NewKeyResponse:
    """Give a key a new secret; the old one counts for the overlap only."""
    overlap = timedelta(seconds=0 if body is None else body.overlap_s)
    key, minted = await keys.rotate(principal, key_id, overlap, origin)
    response.headers["Cache-Control"] = "no-store"
    return NewKeyResponse.of_minted(key, minted)


@router.delete("/{key_id}", status_code=204, responses=responses(ApiKeyMissing, RedisAway))
async def delete_key(key_id: str, keys: Keys, principal: Caller, origin: Annotated[Source, source()]) -> None:
    """Remove a key."""
    await keys.delete(principal, key_id, origin)
