"""Tokens of identity providers: whose they are, whether they hold, and what they say."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from services.gateway.adapters.oidc_key_source import KeySource
from services.gateway.adapters.oidc_keys import PublicKey
from services.gateway.domain.errors import TokenRejected
from services.gateway.domain.external_identity import IdentityProvider, Vouched, read_claims
from shared.clock import Clock
from shared.jwt import ForeignToken, InvalidToken, check_signature, in_time, read_foreign

# Entra ID gives the longest-lived access tokens we know of: 28 h, to clients that bear continuous evaluation [s].
_LONGEST_LIFE_S = 28 * 3600


class OidcTokens:
    """Implements `external_callers.ExternalTokens` (OWASP ASVS 5.0.0, V9.1, V9.2 and V10.3; RFC 9068)."""

    def __init__(self, sources: Sequence[KeySource], clock: Clock) -> None:
        self._sources: Mapping[str, KeySource] = {source.provider.issuer: source for source in sources}
        self._clock = clock

    def recognises(self, text: str) -> bool:
        try:
            return bool(self._sources) and self._named_by(read_foreign(text)) is not None
        except InvalidToken:
            return False

    async def read(self, text: str) -> Vouched:
        token = read_foreign(text)
        source = self._named_by(token)
        if source is None:
            raise InvalidToken
        provider = source.provider
        key_id, algorithm = token.header.get("kid"), token.header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in provider.algorithms:
            raise InvalidToken
        # What cannot hold whoever signed it must not make anybody fetch keys.
        self._check(provider, token.claims)
        if isinstance(key_id, str):
            check_signature(text, await _key(source, key_id, algorithm), algorithm)
        elif "kid" not in token.header:
            await _check_by_only_key(source, text, algorithm)
        else:
            raise InvalidToken
        return read_claims(provider, token.header, token.claims)

    def work(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What goes on beside the requests: the keys of each provider are kept at hand."""
        return {f"keys of {source.provider.name}": source.run for source in self._sources.values()}

    async def aclose(self) -> None:
        """Let go of the connections."""
        for source in self._sources.values():
            await source.aclose()

    def _named_by(self, token: ForeignToken) -> KeySource | None:
        issuer = token.claims.get("iss")
        return self._sources.get(issuer) if isinstance(issuer, str) else None

    def _check(self, provider: IdentityProvider, claims: Mapping[str, object]) -> None:
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        if provider.audience not in named or not all(isinstance(name, str) for name in named):
            raise TokenRejected
        now_s = self._clock.now().timestamp()
        if not in_time(claims, now_s, leeway_s=provider.leeway_s, longest_life_s=_LONGEST_LIFE_S):
            raise TokenRejected


async def _key(source: KeySource, key_id: str | None, algorithm: str) -> PublicKey:
    key = await source.key(key_id, algorithm)
    if key is None:
        raise InvalidToken
    return key


async def _check_by_only_key(source: KeySource, text: str, algorithm: str) -> None:
    try:
        check_signature(text, await _key(source, None, algorithm), algorithm)
    except InvalidToken:
        # Without an id, nothing but the signature tells that the provider has another key by now.
        await source.refresh()
        check_signature(text, await _key(source, None, algorithm), algorithm)
