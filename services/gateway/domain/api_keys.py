"""API keys: how one is written, what is stored of it, and when it counts.

A key reads `fut_<id><secret><checksum>`. The prefix lets secret scanners find a leaked key, the checksum tells a
mistyped or made-up key without a look into the database, and the id finds the row. As the secret has 178 bits of
entropy, a plain SHA-256 of the whole key is enough at rest: there is nothing to guess.

References
----------
.. [1] GitHub, Behind GitHub's new authentication token formats, 2021
"""

import hashlib
import hmac
import re
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from services.gateway.domain.addresses import Network
from services.gateway.domain.key_errors import (
    ApiKeyDeactivated,
    ApiKeyExpired,
    ApiKeyInvalid,
    AssetsOutOfReach,
    InvalidExpiry,
    LimitTooHigh,
    ScopesTooWide,
)
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.users import User
from shared.principal import ROLE_PERMISSIONS, Permission, Principal

PREFIX = "fut_"
DEFAULT_LIFE = timedelta(days=365)
# A key that nobody has to renew is a key that nobody remembers.
LONGEST_LIFE = timedelta(days=3 * 365)
LONGEST_OVERLAP = timedelta(days=7)
MAX_NETWORKS = 50
# Of one owner, whatever their state, unless somebody who manages keys makes more: each has an allowance of its own.
MOST_KEYS = 100
# Of a key's own limit. Their product in microseconds has to stay below 2^53, up to which Lua's numbers are exact.
MOST_PER_HOUR = 3_600_000_000
MOST_AT_ONCE = 1_000_000
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 12
_SECRET_LENGTH = 30
_CHECKSUM_LENGTH = 6
_KEY = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_ID_LENGTH}}})([0-9A-Za-z]{{{_SECRET_LENGTH}}})([0-9A-Za-z]{{6}})")
ENTROPY_BYTES = 48
# What no asset can be below: as an empty tuple means everything, "nothing" is written as this root.
_NOWHERE = (".",)


class KeyState(StrEnum):
    """Whether a key counts."""

    ACTIVE = "active"
    EXPIRED = "expired"
    DEACTIVATED = "deactivated"


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A key just made: `text` is shown to its owner once and stored nowhere."""

    key_id: str
    text: str = field(repr=False)
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key as it is stored.

    Parameters
    ----------
    digest
        SHA-256 of the key's text.
    former_digest, former_until
        The text before the last rotation and until when it still counts, so that machines can change over one by one.
    scopes
        What the key may do, as long as its owner may do it.
    assets
        Asset subtrees the key is limited to, within its owner's; empty means the owner's.
    generation
        Rises with every change that must end what was verified before.
    networks
        Where requests with it may come from; empty means anywhere.
    limit
        The key's own allowance; `None` for the one that all callers have.
    """

    key_id: str
    name: str
    owner: str
    digest: bytes
    former_digest: bytes | None
    former_until: datetime | None
    scopes: frozenset[Permission]
    assets: tuple[str, ...]
    active: bool
    generation: int
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    networks: tuple[Network, ...] = ()
    limit: Limit | None = None

    def state(self, now: datetime) -> KeyState:
        """Whether the key counts, as far as it depends on the key alone."""
        if not self.active:
            return KeyState.DEACTIVATED
        return KeyState.EXPIRED if now >= self.expires_at else KeyState.ACTIVE


def mint(entropy: bytes, key_id: str | None = None) -> MintedKey:
    """Write a new key from random bytes.

    Parameters
    ----------
    entropy
        `ENTROPY_BYTES` from the system's random source.
    key_id
        Keep this id (rotation); a new one unless given.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a key is made of {ENTROPY_BYTES} random bytes")
    text = _base62(int.from_bytes(entropy), _ID_LENGTH + _SECRET_LENGTH)
    body = (key_id or text[:_ID_LENGTH]) + text[_ID_LENGTH:]
    whole = PREFIX + body + _checksum(body)
    return MintedKey(body[:_ID_LENGTH], whole, digest_of(whole))


def key_id_of(text: str) -> str:
    """Read the id of a key out of its text.

    Raises
    ------
    ApiKeyInvalid
        If the text is not a key, or its checksum is wrong.
    """
    match = _KEY.fullmatch(text)
    if match is None or _checksum(match[1] + match[2]) != match[3]:
        raise ApiKeyInvalid
    return match[1]


def digest_of(text: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(text.encode()).digest()


def verify(text: str, key: ApiKey, owner: User, now: datetime) -> Principal:
    """Accept a key as its owner, with no more than the owner may do at this moment.

    Raises
    ------
    ApiKeyInvalid
        If the text is not this key's, or no longer.
    ApiKeyDeactivated
        If the key or its owner is switched off.
    ApiKeyExpired
        If its time is over.
    """
    digest = digest_of(text)
    current = hmac.compare_digest(digest, key.digest)
    former = key.former_digest is not None and hmac.compare_digest(digest, key.former_digest)
    if not current and not (former and key.former_until is not None and now < key.former_until):
        raise ApiKeyInvalid
    if not key.active or not owner.active:
        raise ApiKeyDeactivated
    if now >= key.expires_at:
        raise ApiKeyExpired
    permissions = key.scopes & ROLE_PERMISSIONS[owner.role]
    return Principal(owner.username, owner.role, permissions, narrow_assets(owner.assets, key.assets), "api_key")


def ends_at(text: str, key: ApiKey) -> datetime:
    """When this text of a key stops counting: its expiry, or the end of a rotation's overlap."""
    if digest_of(text) != key.digest and key.former_until is not None:
        return min(key.former_until, key.expires_at)
    return key.expires_at


def check_scopes(scopes: frozenset[Permission], owner: User) -> None:
    """Refuse scopes wider than the owner's role.

    Raises
    ------
    ScopesTooWide
        With one fault for each scope that the role does not include.
    """
    if excess := scopes - ROLE_PERMISSIONS[owner.role]:
        raise ScopesTooWide(tuple(sorted(scope.value for scope in excess)))


def check_limit(limit: Limit | None, ceiling: Limit) -> None:
    """Refuse an own allowance that is larger than the one it stands in for.

    Raises
    ------
    LimitTooHigh
        With one fault for each part that is too large.
    """
    if limit is None:
        return
    parts = (("requests_per_hour", limit.per_hour, ceiling.per_hour), ("burst", limit.burst, ceiling.burst))
    if excess := {name: most for name, asked, most in parts if asked > most}:
        raise LimitTooHigh(excess)


def reachable_assets(holder: tuple[str, ...], asked: tuple[str, ...]) -> tuple[str, ...]:
    """The part of the asked subtrees that their holder may reach; without any asked, all of the holder's.

    Raises
    ------
    AssetsOutOfReach
        If there is no such part: a key for nothing would only look like one.
    """
    narrowed = narrow_assets(holder, asked)
    if narrowed == _NOWHERE:
        raise AssetsOutOfReach
    return narrowed


def expiry(asked: datetime | None, now: datetime) -> datetime:
    """When a key made or renewed now expires.

    Raises
    ------
    InvalidExpiry
        If the asked time lies in the past or beyond `LONGEST_LIFE`.
    """
    if asked is None:
        return now + DEFAULT_LIFE
    if asked <= now:
        raise InvalidExpiry("this time has passed")
    if asked > now + LONGEST_LIFE:
        raise InvalidExpiry(f"a key lives for {LONGEST_LIFE.days} days at most")
    return asked


def narrow_assets(owner: tuple[str, ...], key: tuple[str, ...]) -> tuple[str, ...]:
    """Subtrees that both the owner and the key may reach.

    A key whose subtrees all lie outside its owner's reaches nothing; as an empty tuple would mean everything, that
    is written as the one root no asset can have.

    Examples
    --------
    >>> narrow_assets(("acme.osaka",), ("acme",))
    ('acme.osaka',)
    """
    if not key or not owner:
        return key or owner
    inner = {a for a in owner for b in key if _covers(b, a)} | {b for a in owner for b in key if _covers(a, b)}
    return tuple(sorted(inner)) or _NOWHERE


def _covers(root: str, asset: str) -> bool:
    return asset == root or asset.startswith(f"{root}.")


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))
