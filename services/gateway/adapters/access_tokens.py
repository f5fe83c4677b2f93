"""Access tokens: claims in, signed text out, and back."""

import uuid

from services.gateway.domain.claims import AccessClaims, PublicKeys, from_payload, to_payload
from shared.jwt import TokenSigner, TokenVerifier


class AccessTokens:
    """Implements `sessions.TokenIssuer` and `credentials.TokenReader`."""

    def __init__(self, signer: TokenSigner, verifier: TokenVerifier) -> None:
        self._signer = signer
        self._verifier = verifier

    @property
    def public_keys(self) -> PublicKeys:
        """The keys that tokens are verified with."""
        return PublicKeys(tuple(self._verifier.jwks))

    def issue(self, claims: AccessClaims) -> str:
        return self._signer.sign(to_payload(claims, uuid.uuid4().hex))

    def read(self, text: str) -> AccessClaims:
        return from_payload(self._verifier.verify(text))
