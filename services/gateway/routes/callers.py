"""What a route may ask for beyond the shared dependencies: the verified credential, and where the request came from."""

from typing import Annotated

from fastapi import Depends, Request

from services.gateway.domain.audit import Source
from services.gateway.domain.credentials import Verified
from services.gateway.domain.errors import CredentialsMissing
from shared.http.request_id import current_request_id

# Set by the door, on the scope of each request.
VERIFIED_KEY = "futago.verified"
ADDRESS_KEY = "futago.address"


async def _verified(request: Request) -> Verified:
    found = request.scope.get(VERIFIED_KEY)
    if not isinstance(found, Verified):
        raise CredentialsMissing
    return found


async def _source(request: Request) -> Source:
    return Source(request.scope[ADDRESS_KEY], current_request_id(), request.headers.get("user-agent", ""))


VerifiedCaller = Annotated[Verified, Depends(_verified)]
# Where the request came from, for the audit trail.
Origin = Annotated[Source, Depends(_source)]
