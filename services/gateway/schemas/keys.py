"""API keys."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StringConstraints, model_validator

from services.gateway.domain.addresses import Network, parse_network
from services.gateway.domain.api_keys import (
    LONGEST_LIFE,
    LONGEST_OVERLAP,
    MAX_NETWORKS,
    MOST_AT_ONCE,
    MOST_PER_HOUR,
    PREFIX,
    ApiKey,
    KeyState,
    MintedKey,
)
from services.gateway.domain.key_requests import Keep, KeyChange, KeyRequest
from services.gateway.domain.pages import Page
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.users import scopes_of
from services.gateway.schemas.fields import WHOLE, Asset, Body, Moment, Username, Whole
from shared.clock import rfc3339
from shared.principal import Permission

KeyName = Annotated[
    str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True, pattern=r"^[^\x00-\x1f]+$")
]
# Longer than any network; only keeps nonsense from being looked at.
_Network = Annotated[str, StringConstraints(max_length=64), AfterValidator(lambda text: str(parse_network(text)))]
_NETWORKS = "networks (CIDR) or addresses that requests with the key may come from; empty means anywhere"
_LIMIT = "the key's own allowance; without one, it has what every caller has"


class KeyLimit(Body):
    """An allowance of one key's own."""

    requests_per_hour: Whole = Field(gt=0, le=MOST_PER_HOUR, description="most requests in any sixty minutes")
    burst: Whole = Field(gt=0, le=MOST_AT_ONCE, description="how many of them may come at once")

    @classmethod
    def of(cls, limit: Limit | None) -> Self | None:
        """Write a limit for the wire."""
        return None if limit is None else cls(requests_per_hour=limit.per_hour, burst=limit.burst)

    def limit(self) -> Limit:
        """The limit that was sent."""
        return Limit("key", self.requests_per_hour, self.burst)


class KeyResponse(BaseModel):
    """An API key, without its secret."""

    id: str
    prefix: str = Field(description="how the key begins, to tell it from others")
    name: str
    owner: str
    scopes: list[str]
    assets: list[str] = Field(description="asset subtrees the key is limited to; empty means its owner's")
    networks: list[str] = Field(description=_NETWORKS)
    limit: KeyLimit | None = Field(description=_LIMIT)
    active: bool
    state: KeyState
    created_at: str
    expires_at: str
    last_used_at: str | None = Field(description="to within some seconds")

    @classmethod
    def of(cls, key: ApiKey, now: datetime) -> Self:
        """Write a key for the wire, as it is now."""
        return cls(**_key_fields(key, now))


class NewKeyResponse(KeyResponse):
    """An API key with its secret, which is shown this once."""

    api_key: str = Field(description="send it as X-API-Key; it cannot be shown again")

    @classmethod
    def of_minted(cls, key: ApiKey, minted: MintedKey, now: datetime) -> Self:
        """Write a key just made for the wire."""
        return cls(**_key_fields(key, now), api_key=minted.text)


def _key_fields(key: ApiKey, now: datetime) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "prefix": PREFIX + key.key_id,
        "name": key.name,
        "owner": key.owner,
        "scopes": scopes_of(key.scopes),
        "assets": list(key.assets),
        "networks": [str(network) for network in key.networks],
        "limit": KeyLimit.of(key.limit),
        "active": key.active,
        "state": key.state(now),
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at),
        "last_used_at": None if key.last_used_at is None else rfc3339(key.last_used_at),
    }


class KeyPage(BaseModel):
    """Some of the API keys."""

    items: list[KeyResponse]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[ApiKey], now: datetime) -> Self:
        """Write a page for the wire."""
        return cls(items=[KeyResponse.of(key, now) for key in page.items], next_cursor=page.next_cursor)


class NewKey(Body):
    """An API key to make."""

    name: KeyName
    owner: Username | None = Field(None, description="whose key it becomes; the caller's own unless given")
    scopes: list[Permission] | None = Field(
        None, max_length=len(Permission), description="reading, predicting and scoring unless given"
    )
    assets: list[Asset] = Field([], max_length=100)
    expires_at: Moment | None = Field(None, description="365 days from now unless given")
    expires_in_days: Annotated[int, Field(gt=0, le=LONGEST_LIFE.days), WHOLE] | None = Field(
        None, description="the same, as a number of days"
    )
    networks: list[_Network] = Field([], max_length=MAX_NETWORKS, description=_NETWORKS)
    limit: KeyLimit | None = Field(None, description=_LIMIT)

    @model_validator(mode="after")
    def _one_expiry(self) -> Self:
        if self.expires_at is not None and self.expires_in_days is not None:
            raise ValueError("give expires_at or expires_in_days, not both")
        return self

    def request(self) -> KeyRequest:
        """What is asked for."""
        return KeyRequest(
            name=self.name,
            owner=self.owner,
            scopes=None if self.scopes is None else frozenset(self.scopes),
            assets=tuple(self.assets),
            expires_at=self.expires_at,
            expires_in_days=self.expires_in_days,
            networks=_networks(self.networks),
            limit=None if self.limit is None else self.limit.limit(),
        )


class ChangedKey(Body):
    """What changes about a key; what is left out stays."""

    name: KeyName | None = None
    active: StrictBool | None = None
    scopes: list[Permission] | None = Field(None, max_length=len(Permission))
    expires_at: Moment | None = None
    assets: list[Asset] | None = Field(None, max_length=100)
    networks: list[_Network] | None = Field(None, max_length=MAX_NETWORKS, description=_NETWORKS)
    limit: KeyLimit | None = Field(None, description=f"{_LIMIT}; `null` takes it away")

    def change(self) -> KeyChange:
        """What changes; a limit of `null` is a change, one left out is none."""
        limit = None if self.limit is None else self.limit.limit()
        return KeyChange(
            name=self.name,
            active=self.active,
            scopes=None if self.scopes is None else frozenset(self.scopes),
            expires_at=self.expires_at,
            assets=None if self.assets is None else tuple(self.assets),
            networks=None if self.networks is None else _networks(self.networks),
            limit=limit if "limit" in self.model_fields_set else Keep.AS_IT_IS,
        )


def _networks(texts: list[str]) -> tuple[Network, ...]:
    return tuple(dict.fromkeys(map(parse_network, texts)))


class Rotation(Body):
    """How a key changes its secret."""

    overlap_s: Whole = Field(
        0, ge=0, le=int(LONGEST_OVERLAP.total_seconds()), description="how long the old secret still counts"
    )
