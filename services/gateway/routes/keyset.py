"""The public keys that access tokens are verified with."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.gateway.domain.claims import KeyList
from shared.http.dependencies import use

router = APIRouter(tags=["authentication"])

# Less than the time between the publication of a key and its first use (`futago keys rotate`) [s].
_KEPT_S = 5


class KeySet(BaseModel):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]


@router.get("/.well-known/jwks.json")
async def key_set(keys: Annotated[KeyList, use(KeyList)], response: Response) -> KeySet:
    """Show the keys, by the `kid` that tokens carry.

    A new key stands here some time before the first token is signed with it, longer than caches keep this answer.
    """
    response.headers["Cache-Control"] = f"public, max-age={_KEPT_S}"
    return KeySet(keys=[dict(jwk) for jwk in keys.public_keys().jwks])
