"""Access tokens: claims in, signed text out, and back."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Protocol

from services.gateway.adapters.key_files import AccessKeys
from services.gateway.domain.claims import TOKEN_TYPE, AccessClaims, PublicKeys, from_payload, to_payload
from shared.watched_files import LOOK_INTERVAL_S


class KeySource(Protocol):
    """Gives the keys of the moment."""

    def current(self) -> AccessKeys:
        """The newest keys."""
        ...


class AccessTokens:
    """Implements `sessions.TokenIssuer`, `credentials.TokenReader` and `claims.KeyList`."""

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys

    def public_keys(self) -> PublicKeys:
        return PublicKeys(tuple(self._keys.current().verifier.jwks))

    def issue(self, claims: AccessClaims) -> str:
        return self._keys.current().signer.sign(to_payload(claims, uuid.uuid4().hex), typ=TOKEN_TYPE)

    def read(self, text: str) -> AccessClaims:
        return from_payload(self._keys.current().verifier.verify(text))


class KeyWatch:
    """Sees to it that a key that was taken away ends what was verified with it and is remembered.

    Parameters
    ----------
    lost
        Called when a key counts no longer.
    """

    def __init__(self, tokens: AccessTokens, lost: Callable[[], None]) -> None:
        self._tokens = tokens
        self._lost = lost

    async def run(self) -> None:
        """Look once a second, for ever."""
        known = self._key_ids()
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            now = self._key_ids()
            if known - now:
                self._lost()
            known = now

    def _key_ids(self) -> set[str]:
        return {jwk["kid"] for jwk in self._tokens.public_keys().jwks}
