"""People whom an identity provider vouches for, and what its claims mean here.

The provider says who somebody is and in which groups; what a group may do is said here, by configuration. An identity
is the provider's name and its `sub`: names and addresses change hands, a subject never does (OpenID Connect Core 1.0,
section 2).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from services.gateway.domain.errors import NotEntitled, TokenRejected
from services.gateway.domain.users import ASSET_PATTERN
from shared.principal import EXTERNAL, ROLE_PERMISSIONS, Principal, Role

# Where the claim lies: names of members, from the outermost to the innermost.
ClaimPath = tuple[str, ...]
ALL_ASSETS = "*"
# What the suite keeps of a caller's name: the provider's name, a colon and the subject.
MAX_NAME_CHARS = 255
_ASSET = re.compile(ASSET_PATTERN)
# Types that an access token may carry in its header (RFC 9068, section 2.1; older providers say `JWT` or nothing).
_ACCESS_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_PLAIN_TYPES = frozenset({"", "jwt"})
# Claims that only ID tokens have (OpenID Connect Core 1.0, sections 3.1.3.6 and 3.3.2.11).
_ID_TOKEN_CLAIMS = ("at_hash", "c_hash")


class TokenUse(StrEnum):
    """Which of a provider's tokens is sent here."""

    ACCESS_TOKEN = "access_token"  # noqa: S105  a name, not a secret
    ID_TOKEN = "id_token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """A provider whose word counts, and for what.

    Parameters
    ----------
    name
        Stands before the subject in the audit trail; as it is part of who somebody is, it must not change.
    issuer
        `iss` of its tokens, compared character by character.
    audience
        What `aud` must name.
    algorithms
        How its tokens may be signed.
    leeway_s
        How far its clock may be ahead of ours [s].
    role_claim, roles
        Where the groups stand, and the role that each gives; of several, the highest counts.
    assets_claim
        Where the asset subtrees stand; without one, everybody reaches all assets that the role does.
    name_claim
        Where a name for people to read stands.
    required
        Claims that must have one of these values, such as the client or the strength of the login.
    """

    name: str
    issuer: str
    audience: str
    algorithms: frozenset[str]
    token_use: TokenUse
    leeway_s: int
    role_claim: ClaimPath
    roles: Mapping[str, Role]
    assets_claim: ClaimPath | None
    name_claim: ClaimPath
    required: Mapping[ClaimPath, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a verified token of a provider says about its bearer."""

    provider: str
    subject: str
    display_name: str
    role: Role
    assets: tuple[str, ...]
    expires_at: datetime

    def principal(self) -> Principal:
        """The bearer as a caller."""
        name = f"{self.provider}:{self.subject}"
        return Principal(name, self.role, ROLE_PERMISSIONS[self.role], self.assets, EXTERNAL)


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """Somebody whom a provider vouched for, as it is stored.

    Parameters
    ----------
    display_name, role
        As the provider said when the identity was last seen; they decide nothing.
    active
        An administrator can refuse somebody whom the provider still vouches for.
    generation
        Rises with every change that must end what was verified before.
    """

    identity_id: str
    provider: str
    subject: str
    display_name: str
    role: Role
    active: bool
    generation: int
    first_seen_at: datetime
    last_seen_at: datetime


def identity_id(provider: str, subject: str) -> str:
    """Id of an identity in the API: 128 bits of a digest, as a subject may hold what a path cannot."""
    return hashlib.sha256(f"{provider}\n{subject}".encode()).hexdigest()[:32]


def read_claims(provider: IdentityProvider, header: Mapping[str, object], claims: Mapping[str, object]) -> Vouched:
    """What a provider's claims mean here; signature, issuer, audience and times are verified elsewhere.

    Raises
    ------
    TokenRejected
        If the token is for another use, lacks a required claim, or a claim is of the wrong type.
    NotEntitled
        If it gives its bearer no role here, or no assets where these are claims too.
    """
    _check_use(provider, header, claims)
    for path, allowed in provider.required.items():
        if not allowed.intersection(_texts(_find(claims, path))):
            raise TokenRejected
    subject, expires_s = claims.get("sub"), claims.get("exp")
    if not isinstance(subject, str) or not _is_subject(provider, subject) or type(expires_s) is not int:
        raise TokenRejected
    name = _find(claims, provider.name_claim)
    return Vouched(
        provider=provider.name,
        subject=subject,
        display_name=_display_name(name) if isinstance(name, str) else "",
        role=_role(provider, claims),
        assets=() if provider.assets_claim is None else _assets(_find(claims, provider.assets_claim)),
        expires_at=_moment(expires_s),
    )


def _check_use(provider: IdentityProvider, header: Mapping[str, object], claims: Mapping[str, object]) -> None:
    """Tell access tokens from ID tokens and from whatever else a provider signs with the same key."""
    # Such a token counts only together with a proof (RFC 8705, RFC 9449), which a bearer does not send.
    if "cnf" in claims:
        raise TokenRejected
    named = header.get("typ", "")
    # Keycloak has its own claim: `Bearer`, `ID`, `Refresh`, `Logout`.
    kind = claims.get("typ", "")
    if not isinstance(named, str) or not isinstance(kind, str):
        raise TokenRejected
    judge = _is_access_token if provider.token_use is TokenUse.ACCESS_TOKEN else _is_id_token
    if not judge(named.lower(), kind.lower(), claims, provider.audience):
        raise TokenRejected


def _is_access_token(typ: str, kind: str, claims: Mapping[str, object], _audience: str) -> bool:
    if any(name in claims for name in _ID_TOKEN_CLAIMS):
        return False
    if typ in _ACCESS_TYPES:
        return kind in {"", "bearer"}
    # One that does not say what it is for must at least not answer a login, which is what `nonce` is for.
    return typ in _PLAIN_TYPES and (kind == "bearer" or (not kind and "nonce" not in claims))


def _is_id_token(typ: str, kind: str, claims: Mapping[str, object], audience: str) -> bool:
    # One for several audiences was made for the authorised party (OpenID Connect Core 1.0, section 3.1.3.7).
    several = isinstance(claims.get("aud"), list) and claims["aud"] != [audience]
    party = claims.get("azp", None if several else audience)
    return typ in _PLAIN_TYPES and kind in {"", "id"} and party == audience


def _is_subject(provider: IdentityProvider, subject: str) -> bool:
    # ASCII, says OpenID Connect Core 1.0, section 2; what cannot be printed has no place in an audit trail.
    whole = f"{provider.name}:{subject}"
    return bool(subject) and subject.isascii() and subject.isprintable() and len(whole) <= MAX_NAME_CHARS


def _role(provider: IdentityProvider, claims: Mapping[str, object]) -> Role:
    given = {provider.roles[group] for group in _texts(_find(claims, provider.role_claim)) if group in provider.roles}
    if not given:
        raise NotEntitled("no role")
    # The roles are defined with the least first.
    return max(given, key=list(Role).index)


def _assets(claim: object) -> tuple[str, ...]:
    """Subtrees out of a claim; an empty or missing one is nobody's, as an empty tuple would mean everything."""
    named = _texts(claim)
    if ALL_ASSETS in named:
        return ()
    if not named or not all(len(asset) <= MAX_NAME_CHARS and _ASSET.fullmatch(asset) for asset in named):
        raise NotEntitled("no assets")
    return tuple(sorted(set(named)))


def _find(claims: Mapping[str, object], path: ClaimPath) -> object:
    found: object = claims
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _texts(claim: object) -> list[str]:
    values: Iterable[object] = claim if isinstance(claim, list) else [claim]
    return [value for value in values if isinstance(value, str)]


def _display_name(name: str) -> str:
    return "".join(character for character in name if character.isprintable())[:MAX_NAME_CHARS]


def _moment(unix_s: int) -> datetime:
    try:
        return datetime.fromtimestamp(unix_s, UTC)
    except (ValueError, OverflowError, OSError):
        raise TokenRejected from None
