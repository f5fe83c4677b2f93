"""What callers ask of API keys: a new one, a change, a list."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from services.gateway.domain.addresses import Network
from services.gateway.domain.api_keys import KeyState
from services.gateway.domain.rate_limit import Limit
from shared.principal import Permission


class Keep(Enum):
    """Stands for "as it is" where `None` means something of its own."""

    AS_IT_IS = "as it is"


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A key somebody asks for.

    Parameters
    ----------
    owner
        Whose key it becomes; `None` for the caller's own.
    scopes
        `None` for reading, predicting and scoring, as far as the owner may.
    expires_at, expires_in_days
        One of them, or `None` for a year from now.
    networks
        Where requests with it may come from; empty means anywhere.
    limit
        Its own allowance; `None` for the one that all callers have.
    """

    name: str
    owner: str | None = None
    scopes: frozenset[Permission] | None = None
    assets: tuple[str, ...] = ()
    expires_at: datetime | None = None
    expires_in_days: int | None = None
    networks: tuple[Network, ...] = ()
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What is changed about a key; `None` leaves a field as it is, but takes an own limit away."""

    name: str | None = None
    active: bool | None = None
    scopes: frozenset[Permission] | None = None
    expires_at: datetime | None = None
    assets: tuple[str, ...] | None = None
    networks: tuple[Network, ...] | None = None
    limit: Limit | Keep | None = Keep.AS_IT_IS


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys are listed.

    Parameters
    ----------
    owner
        `None` for those of everybody.
    expires_before
        Only keys that end before this moment, whether they have by now or not.
    """

    owner: str | None = None
    state: KeyState | None = None
    expires_before: datetime | None = None
