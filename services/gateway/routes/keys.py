"""API keys for machines."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.gateway.domain.api_keys import LONGEST_LIFE, KeyState
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
    TooManyKeys,
)
from services.gateway.domain.key_requests import KeyFilter
from services.gateway.domain.pages import DEFAULT_ITEMS, MAX_ITEMS
from services.gateway.routes.callers import Origin, VerifiedCaller
from services.gateway.schemas.fields import MAX_TEXT
from services.gateway.schemas.keys import ChangedKey, KeyPage, KeyResponse, NewKey, NewKeyResponse, Rotation
from shared.clock import Clock
from shared.http.dependencies import caller, use
from shared.http.problems import responses
from shared.principal import Principal

router = APIRouter(prefix="/api/v1/api-keys", tags=["API keys"])

Caller = Annotated[Principal, caller()]
Keys = Annotated[KeyAdministration, use(KeyAdministration)]
Now = Annotated[Clock, use(Clock)]


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
        TooManyKeys,
        UserMissing,
        NotAllowed,
        BeyondOwnRights,
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
    credential: VerifiedCaller,
    clock: Now,
    origin: Origin,
) -> NewKeyResponse:
    """Make a key; its secret is in this answer and cannot be shown again. In a session, its login is recent."""
    key, minted = await keys.create(credential, body.request(), origin)
    response.headers["Location"] = f"/api/v1/api-keys/{key.key_id}"
    return NewKeyResponse.of_minted(key, minted, clock.now())


@router.get("/{key_id}", responses=responses(ApiKeyMissing, BeyondOwnRights))
async def get_key(key_id: str, keys: Keys, credential: VerifiedCaller, clock: Now) -> KeyResponse:
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
    credential: VerifiedCaller,
    clock: Now,
    origin: Origin,
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
    keys: Keys,
    credential: VerifiedCaller,
    clock: Now,
    origin: Origin,
    body: Rotation | None = None,
) -> NewKeyResponse:
    """Give a key a new secret; the old one counts for the overlap only. In a session, its login is recent."""
    overlap = timedelta(seconds=0 if body is None else body.overlap_s)
    key, minted = await keys.rotate(credential, key_id, overlap, origin)
    return NewKeyResponse.of_minted(key, minted, clock.now())


@router.delete(
    "/{key_id}", status_code=204, responses=responses(ApiKeyMissing, BeyondOwnRights, ChangedMeanwhile, RedisAway)
)
async def delete_key(
    key_id: str,
    keys: Keys,
    credential: VerifiedCaller,
    origin: Origin,
) -> None:
    """Remove a key."""
    await keys.delete(credential, key_id, origin)
