"""Trusted keys as JSON."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from services.twin.domain.trust import TrustedKey
from services.twin.schemas.base import WireAnswer
from shared.clock import rfc3339


class EnrolmentRequest(BaseModel):
    """A public key whose bundles shall be accepted."""

    model_config = ConfigDict(extra="forbid")

    # An Ed25519 key in PEM is 113 bytes long.
    public_key: str = Field(max_length=4096, description="PEM, Ed25519")


class TrustedKeyResponse(WireAnswer):
    """One trusted key; `folder` is the installation's own, which no call removes."""

    key_id: str
    source: Literal["folder", "enrolled"]
    public_key: str
    enrolled_at: str | None
    enrolled_by: str | None

    @classmethod
    def of(cls, key: TrustedKey) -> Self:
        """The wire form of a key."""
        return cls(
            key_id=key.key_id,
            source="folder" if key.enrolled_at is None else "enrolled",
            public_key=key.public_key,
            enrolled_at=None if key.enrolled_at is None else rfc3339(key.enrolled_at),
            enrolled_by=key.enrolled_by,
        )


class TrustedKeysResponse(WireAnswer):
    """Every trusted key, by id."""

    items: list[TrustedKeyResponse]
    # There are never so many that they need a second page.
    next_cursor: None = None

    @classmethod
    def of(cls, keys: Sequence[TrustedKey]) -> Self:
        """The wire form of the list."""
        return cls(items=[TrustedKeyResponse.of(key) for key in keys])
