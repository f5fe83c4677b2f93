"""The public keys that access tokens are verified with."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel

from services.gateway.domain.claims import PublicKeys
from shared.http.dependencies import use

router = APIRouter(tags=["authentication"])


class KeySet(BaseModel):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]


@router.get("/.well-known/jwks.json")
async def key_set(keys: Annotated[PublicKeys, use(PublicKeys)]) -> KeySet:
    """Show the keys, by the `kid` that tokens carry."""
    return KeySet(keys=[dict(jwk) for jwk in keys.jwks])
