"""From the headers of a request to a verified caller.

A verification is remembered for a while, because a signature and two look-ups cost far more than a request should.
What makes that safe are stamps: each verification names the generations it was made under (of the user, the session,
the key), and a change that must end it raises the floor of one of them. Floors are compared on every request.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from services.gateway.domain import api_keys
from services.gateway.domain.addresses import Network
from services.gateway.domain.api_keys import ApiKey
from services.gateway.domain.claims import AccessClaims
from services.gateway.domain.duties import Duty, DutyRules, by_key, duty_of, in_session
from services.gateway.domain.errors import (
    CredentialsAmbiguous,
    CredentialsMissing,
    RefreshRejected,
    TokenRejected,
    UserMissing,
)
from services.gateway.domain.key_errors import ApiKeyInvalid, ApiKeyMissing
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.refresh import Family
from services.gateway.domain.users import User
from shared.clock import Clock
from shared.principal import Principal

LONGEST_MEMORY_S = 600.0
_MAX_CREDENTIAL_BYTES = 8192


class CredentialKind(StrEnum):
    """How a caller proves who it is."""

    TOKEN = "token"  # noqa: S105  a name, not a secret
    API_KEY = "api_key"


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as it was sent; `fingerprint` stands for it where it must not be kept."""

    kind: CredentialKind
    text: str = field(repr=False)

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the text and its kind."""
        return hashlib.sha256(f"{self.kind}:{self.text}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Stamp:
    """A generation that something was verified under; it no longer counts once the floor of `name` is higher."""

    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class Verified:
    """A caller whose credential was checked.

    Parameters
    ----------
    session_id
        Of a token; `None` for an API key.
    key_id
        Of an API key; `None` for a token.
    expires_at
        When the credential itself ends.
    networks
        Where requests with it may come from; empty means anywhere.
    limit
        The credential's own allowance; `None` for the one that all callers have.
    second_factor
        Whether the user has one.
    duty
        What the caller has to do before anything else is allowed.
    """

    principal: Principal
    expires_at: datetime
    stamps: tuple[Stamp, ...]
    session_id: str | None = None
    key_id: str | None = None
    networks: tuple[Network, ...] = ()
    limit: Limit | None = None
    second_factor: bool = False
    duty: Duty | None = None


class TokenReader(Protocol):
    """Checks signature, issuer, audience and times of an access token."""

    def read(self, text: str) -> AccessClaims:
        """Raise an error of kind `UNAUTHENTICATED` whatever is wrong."""
        ...


class UserReader(Protocol):
    """Finds users."""

    async def get(self, username: str) -> User:
        """Raise `UserMissing` if there is none."""
        ...


class FamilyReader(Protocol):
    """Finds the session of a token."""

    async def family(self, family_id: str) -> Family:
        """Raise `RefreshRejected` if there is none."""
        ...


class KeyReader(Protocol):
    """Finds API keys."""

    async def get(self, key_id: str) -> ApiKey:
        """Raise `ApiKeyMissing` if there is none."""
        ...


class ExternalVerifier(Protocol):
    """Verifies tokens of identity providers."""

    def recognises(self, text: str) -> bool:
        """Whether a token names one of the providers as its issuer; nothing about it is verified."""
        ...

    async def verify(self, text: str) -> Verified:
        """Raise an error of kind `UNAUTHENTICATED` or `FORBIDDEN`, or `UNAVAILABLE` if nobody can say."""
        ...


def user_stamp(username: str, generation: int) -> Stamp:
    """Stamp of everything issued to a user."""
    return Stamp(f"user:{username}", generation)


def session_stamp(session_id: str, generation: int = 0) -> Stamp:
    """Stamp of a session; tokens are of generation 0, and a session that has ended has the floor 1."""
    return Stamp(f"session:{session_id}", generation)


def key_stamp(key_id: str, generation: int) -> Stamp:
    """Stamp of an API key."""
    return Stamp(f"key:{key_id}", generation)


def read_credential(headers: Iterable[tuple[bytes, bytes]]) -> Credential:
    """Find the one credential among the headers of a request.

    Raises
    ------
    CredentialsMissing
        If there is none, or it is not one this door knows.
    CredentialsAmbiguous
        If there is more than one.
    """
    found = [_read(name, value) for name, value in headers if name in {b"authorization", b"x-api-key"}]
    if not found:
        raise CredentialsMissing
    if len(found) > 1:
        raise CredentialsAmbiguous
    return found[0]


def _read(name: bytes, value: bytes) -> Credential:
    if len(value) > _MAX_CREDENTIAL_BYTES or not value.isascii():
        raise CredentialsMissing
    text = value.decode("ascii").strip()
    if name == b"x-api-key":
        return Credential(CredentialKind.API_KEY, text)
    scheme, _, token = text.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise CredentialsMissing
    return Credential(CredentialKind.TOKEN, token.strip())


class Authenticator:
    """Verifies credentials, and remembers for which callers it did.

    Parameters
    ----------
    duties
        What users have to do before anything else.
    external
        Verifies tokens of identity providers; `None` where there are none.
    memory_s
        How long a verification is remembered, at most until the credential expires [s].
    memory_size
        How many are remembered; the least recently used goes first.
    """

    def __init__(
        self,
        *,
        tokens: TokenReader,
        users: UserReader,
        families: FamilyReader,
        keys: KeyReader,
        clock: Clock,
        duties: DutyRules = DutyRules(),  # noqa: B008  frozen
        external: ExternalVerifier | None = None,
        memory_s: float = LONGEST_MEMORY_S,
        memory_size: int = 10_000,
    ) -> None:
        self._tokens = tokens
        self._users = users
        self._families = families
        self._keys = keys
        self._clock = clock
        self._duties = duties
        self._external = external
        self._memory_life = timedelta(seconds=min(memory_s, LONGEST_MEMORY_S))
        self._memory_size = memory_size
        self._memory: OrderedDict[bytes, tuple[datetime, Verified]] = OrderedDict()

    def recall(self, fingerprint: bytes) -> Verified | None:
        """The verification remembered for a credential, or `None` if it has to be verified."""
        remembered = self._memory.get(fingerprint)
        if remembered is None:
            return None
        until, verified = remembered
        if self._clock.now() >= until:
            del self._memory[fingerprint]
            return None
        self._memory.move_to_end(fingerprint)
        return verified

    def forget(self, fingerprint: bytes) -> None:
        """Drop what is remembered of a credential: a floor has passed it."""
        self._memory.pop(fingerprint, None)

    def forget_all(self) -> None:
        """Drop everything that is remembered: a floor may have passed any of it."""
        self._memory.clear()

    def remember(self, fingerprint: bytes, verified: Verified) -> None:
        """Keep a verification that no floor contradicts."""
        until = min(verified.expires_at, self._clock.now() + self._memory_life)
        self._memory[fingerprint] = (until, verified)
        while len(self._memory) > self._memory_size:
            self._memory.popitem(last=False)

    async def verify(self, credential: Credential) -> Verified:
        """Verify a credential against the database.

        Raises
        ------
        AppError
            Of kind `UNAUTHENTICATED`, whatever is wrong with it; `FORBIDDEN` if an identity provider vouches for a
            caller to whom nothing here is open.
        """
        if credential.kind is CredentialKind.API_KEY:
            return await self._verify_key(credential.text)
        if self._external is not None and self._external.recognises(credential.text):
            return await self._external.verify(credential.text)
        return await self._verify_token(credential.text)

    async def _verify_token(self, text: str) -> Verified:
        claims = self._tokens.read(text)
        try:
            user = await self._users.get(claims.username)
        except UserMissing:
            raise TokenRejected from None
        try:
            family = await self._families.family(claims.session_id)
        except RefreshRejected:
            raise TokenRejected from None
        if not user.active or claims.generation != user.generation or family.username != user.username:
            raise TokenRejected
        if family.revoked_at is not None:
            raise TokenRejected
        stamps = (user_stamp(user.username, user.generation), session_stamp(family.family_id))
        duty = duty_of(user, self._duties)
        return Verified(
            in_session(user.principal(), duty),
            claims.expires_at,
            stamps,
            session_id=family.family_id,
            second_factor=user.second_factor,
            duty=duty,
        )

    async def _verify_key(self, text: str) -> Verified:
        try:
            key = await self._keys.get(api_keys.key_id_of(text))
            owner = await self._users.get(key.owner)
        except (ApiKeyMissing, UserMissing):
            raise ApiKeyInvalid from None
        principal = api_keys.verify(text, key, owner, self._clock.now())
        stamps = (user_stamp(owner.username, owner.generation), key_stamp(key.key_id, key.generation))
        return Verified(
            by_key(principal, duty_of(owner, self._duties)),
            api_keys.ends_at(text, key),
            stamps,
            key_id=key.key_id,
            networks=key.networks,
            limit=key.limit,
            second_factor=owner.second_factor,
        )
