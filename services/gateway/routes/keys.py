"""API keys for machines."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.gateway.domain.api_keys import LONGEST_LIFE, KeyState
from services.gateway.domain.audit import Source
from services.gateway.domain.credentials import Verified
from services.gateway.domain.errors import (
    BeyondOwnRights,
    ChangedMeanwhile,
    FreshLoginRequired,
    InvalidQuery,
    NotAllowed,
    RedisAway,
    UserMissing,
)
from services.gateway.domain.key_administration import KeyAdministration
from services.gateway.domain.key_errors import (
    ApiKeyMissing,
    AssetsOutOfReach,
    ExternalCaller,
    InvalidExpiry,
    LimitTooHigh,
    ScopesTooWide,
)
from services.gateway.domain.key_requests import KeyFilter
from services.gateway.domain.pages import DEFAULT_ITEMS, MAX_ITEMS
from services.gateway.routes.callers import source, verified
from services.gateway.schemas.fields import MAX_TEXT
from services.gateway.schemas.keys import ChangedKey, KeyPage, KeyResponse, NewKey, NewKeyResponse, Rotation
from shared.clock import SystemClock
from shared.http.dependencies import caller, use
from shared.http.problems import responses
from shared.principal import Principal

router = APIRouter(prefix="/api/v1/api-keys", tags=["API keys"])

Caller = Annotated[Principal, caller()]
Keys = Annotated[KeyAdministration, use(KeyAdministration)]
Now = Annotated[SystemClock, use(SystemClock)]


@router.get("", responses=responses(InvalidQuery, NotAllowed))
async def list_keys(
    *,
    keys: Keys,
    principal: Caller,
    clock: Now,
    owner: Annotated[
        str | None, Query(max_length=MAX_TEXT, description="whose; others' for those who manage keys")
    ] = None,
    state: KeyState | None = None,
    expires_within_days: Annotated[
        int | None, Query(ge=0, le=LONGEST_LIFE.days, description="only keys that end by then, or have ended")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = DEFAULT_ITEMS,
    cursor: str | None = None,
) -> KeyPage:
    """List one's own keys; for those who manage keys also others', as far as these reach no further than they do."""
    now = clock.now()
    before = None if expires_within_days is None else now + timedelta(days=expires_within_days)
    wanted = KeyFilter(owner, state, before)
    return KeyPage.of(await keys.page(principal, wanted, limit=limit, cursor=cursor), now)


@router.post(
    "",
    status_code=201,
    responses=responses(
        ScopesTooWide,
        AssetsOutOfReach,
        LimitTooHigh,
        InvalidExpiry,
        UserMissing,
        NotAllowed,
        ExternalCaller,
        FreshLoginRequired,
        ChangedMeanwhile,
    ),
)
async def create_key(
    *,
    body: NewKey,
    response: Response,
    keys: Keys,
    credential: Annotated[Verified, verified()],
    clock: Now,
    origin: Annotated[Source, source()],
) -> NewKeyResponse:
    """Make a key; its secret is in this answer and cannot be shown again. In a session, its login is recent."""
    key, minted = await keys.create(credential, body.request(), origin)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/api/v1/api-keys/{key.key_id}"
    return NewKeyResponse.of_minted(key, minted, clock.now())


@router.get("/{key_id}", responses=responses(ApiKeyMissing, BeyondOwnRights))
async def get_key(key_id: str, keys: Keys, credential: Annotated[Verified, verified()], clock: Now) -> KeyResponse:
    """Show a key: everything but its secret."""
    return KeyResponse.of(await keys.get(credential, key_id), clock.now())


@router.patch(
    "/{key_id}",
    responses=responses(
        ApiKeyMissing,
        BeyondOwnRights,
        ScopesTooWide,
        AssetsOutOfReach,
        LimitTooHigh,
        InvalidExpiry,
        ChangedMeanwhile,
        RedisAway,
    ),
)
async def change_key(
    *,
    key_id: str,
    body: ChangedKey,
    keys: Keys,
    credential: Annotated[Verified, verified()],
    clock: Now,
    origin: Annotated[Source, source()],
) -> KeyResponse:
    """Deactivate a key, or change its name, scopes, assets, networks, limit or expiry."""
    return KeyResponse.of(await keys.change(credential, key_id, body.change(), origin), clock.now())


@router.post(
    "/{key_id}/rotate",
    responses=responses(ApiKeyMissing, BeyondOwnRights, ChangedMeanwhile, RedisAway, FreshLoginRequired),
)
async def rotate_key(
    *,
    key_id: str,
    response: Response,
    keys: Keys,
    credential: Annotated[Verified, verified()],
    clock: Now,
    origin: Annotated[Source, source()],
    body: Rotation | None = None,
) -> NewKeyResponse:
    """Give a key a new secret; the old one counts for the overlap only. In a session, its login is recent."""
    overlap = timedelta(seconds=0 if body is None else body.overlap_s)
    key, minted = await keys.rotate(credential, key_id, overlap, origin)
    response.headers["Cache-Control"] = "no-store"
    return NewKeyResponse.of_minted(key, minted, clock.now())


@router.delete(
    "/{key_id}", status_code=204, responses=responses(ApiKeyMissing, BeyondOwnRights, ChangedMeanwhile, RedisAway)
)
async def delete_key(
    key_id: str,
    keys: Keys,
    credential: Annotated[Verified, verified()],
    origin: Annotated[Source, source()],
) -> None:
    """Remove a key."""
    await keys.delete(credential, key_id, origin)
