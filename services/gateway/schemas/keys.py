"""API keys."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from services.gateway.domain.api_keys import LONGEST_LIFE, LONGEST_OVERLAP, PREFIX, ApiKey, MintedKey
from services.gateway.domain.pages import Page
from services.gateway.domain.users import scopes_of
from services.gateway.schemas.fields import Asset, Body, Moment, Username
from shared.clock import rfc3339
from shared.principal import Permission

KeyName = Annotated[
    str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True, pattern=r"^[^\x00-\x1f]+$")
]


class KeyResponse(BaseModel):
    """An API key, without its secret."""

    id: str
    prefix: str = Field(description="how the key begins, to tell it from others")
    name: str
    owner: str
    scopes: list[str]
    assets: list[str] = Field(description="asset subtrees the key is limited to; empty means its owner's")
    active: bool
    created_at: str
    expires_at: str
    last_used_at: str | None = Field(description="to within some seconds")

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """Write a key for the wire."""
        return cls(**_key_fields(key))


class NewKeyResponse(KeyResponse):
    """An API key with its secret, which is shown this once."""

    api_key: str = Field(description="send it as X-API-Key; it cannot be shown again")

    @classmethod
    def of_minted(cls, key: ApiKey, minted: MintedKey) -> Self:
        """Write a key just made for the wire."""
        return cls(**_key_fields(key), api_key=minted.text)


def _key_fields(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "prefix": PREFIX + key.key_id,
        "name": key.name,
        "owner": key.owner,
        "scopes": scopes_of(key.scopes),
        "assets": list(key.assets),
        "active": key.active,
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at),
        "last_used_at": None if key.last_used_at is None else rfc3339(key.last_used_at),
    }


class KeyPage(BaseModel):
    """Some of the API keys."""

    items: list[KeyResponse]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[ApiKey]) -> Self:
        """Write a page for the wire."""
        return cls(items=[KeyResponse.of(key) for key in page.items], next_cursor=page.next_cursor)


class NewKey(Body):
    """An API key to make."""

    name: KeyName
    owner: Username | None = Field(None, description="whose key it becomes; the caller's own unless given")
    scopes: list[Permission] | None = Field(
        None, max_length=len(Permission), description="reading, predicting and scoring unless given"
    )
    assets: list[Asset] = Field([], max_length=100)
    expires_at: Moment | None = Field(None, description="365 days from now unless given")
    expires_in_days: int | None = Field(None, gt=0, le=LONGEST_LIFE.days, description="the same, as a number of days")

    @model_validator(mode="after")
    def _one_expiry(self) -> Self:
        if self.expires_at is not None and self.expires_in_days is not None:
            raise ValueError("give expires_at or expires_in_days, not both")
        return self


class ChangedKey(Body):
    """What changes about a key; what is left out stays."""

    name: KeyName | None = None
    active: bool | None = None
    scopes: list[Permission] | None = Field(None, max_length=len(Permission))
    expires_at: Moment | None = None


class Rotation(Body):
    """How a key changes its secret."""

    overlap_s: int = Field(
        0, ge=0, le=int(LONGEST_OVERLAP.total_seconds()), description="how long the old secret still counts"
    )
