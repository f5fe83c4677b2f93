"""From a token of an identity provider to a verified caller."""

from datetime import datetime
from typing import Protocol

from services.gateway.domain.credentials import Stamp, Verified
from services.gateway.domain.errors import IdentityDisabled
from services.gateway.domain.external_identity import ExternalIdentity, Vouched
from shared.clock import Clock


class ExternalTokens(Protocol):
    """Verifies tokens of identity providers."""

    def recognises(self, text: str) -> bool:
        """Whether a token names one of the providers as its issuer; nothing about it is verified."""
        ...

    async def read(self, text: str) -> Vouched:
        """Raise an error of kind `UNAUTHENTICATED` if it does not hold, `IdentityProviderAway` if nobody can say."""
        ...


class IdentityBook(Protocol):
    """Keeps who was vouched for."""

    async def seen(self, vouched: Vouched, now: datetime) -> ExternalIdentity:
        """The identity as it is stored; stored now, if it was not seen before."""
        ...


def identity_stamp(identity: ExternalIdentity) -> Stamp:
    """Stamp of everything that an identity provider issues to somebody."""
    return Stamp(f"identity:{identity.provider}:{identity.subject}", identity.generation)


class ExternalCallers:
    """Implements `credentials.ExternalVerifier`."""

    def __init__(self, *, tokens: ExternalTokens, identities: IdentityBook, clock: Clock) -> None:
        self._tokens = tokens
        self._identities = identities
        self._clock = clock

    def recognises(self, text: str) -> bool:
        return self._tokens.recognises(text)

    async def verify(self, text: str) -> Verified:
        vouched = await self._tokens.read(text)
        identity = await self._identities.seen(vouched, self._clock.now())
        if not identity.active:
            raise IdentityDisabled
        return Verified(vouched.principal(), vouched.expires_at, (identity_stamp(identity),))
