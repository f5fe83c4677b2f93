"""People whom an identity provider vouches for."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.gateway.domain.errors import BeyondOwnRights, IdentityMissing, InvalidQuery, RedisAway
from services.gateway.domain.identity_administration import IdentityAdministration
from services.gateway.domain.pages import DEFAULT_ITEMS, MAX_ITEMS
from services.gateway.routes.callers import Origin
from services.gateway.schemas.identities import ChangedIdentity, IdentityPage, IdentityResponse
from shared.http.dependencies import require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/identities", tags=["identities"])

Administrator = Annotated[Principal, require(Permission.MANAGE_USERS)]
Identities = Annotated[IdentityAdministration, use(IdentityAdministration)]


@router.get("", responses=responses(InvalidQuery, BeyondOwnRights))
async def list_identities(
    identities: Identities,
    principal: Administrator,
    limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = DEFAULT_ITEMS,
    cursor: str | None = None,
) -> IdentityPage:
    """List everybody whom an identity provider has vouched for here; for administrators not limited to assets."""
    return IdentityPage.of(await identities.page(principal, limit=limit, cursor=cursor))


@router.patch("/{identity_id}", responses=responses(IdentityMissing, RedisAway, BeyondOwnRights))
async def change_identity(
    identity_id: str,
    body: ChangedIdentity,
    identities: Identities,
    principal: Administrator,
    origin: Origin,
) -> IdentityResponse:
    """Refuse an identity whatever its provider says, or let it in again; it holds on every replica within 2 s."""
    return IdentityResponse.of(await identities.set_active(principal, identity_id, origin, active=body.active))
