"""Where a user is logged in."""

from typing import Self

from pydantic import BaseModel, Field

from services.gateway.domain.pages import Page
from services.gateway.domain.refresh import Family
from shared.clock import rfc3339


class SessionResponse(BaseModel):
    """A session that has not ended."""

    id: str
    created_at: str
    refreshed_at: str | None = Field(description="when it was last prolonged; null until then")
    ends_at: str = Field(description="absolute end, however often it is refreshed")
    address: str = Field(description="where the login came from")
    user_agent: str = Field(description="what the client called itself at the login")
    current: bool = Field(description="whether this request was made in it")

    @classmethod
    def of(cls, family: Family, current: str | None) -> Self:
        """Write a session for the wire."""
        return cls(
            id=family.family_id,
            created_at=rfc3339(family.created_at),
            refreshed_at=None if family.refreshed_at is None else rfc3339(family.refreshed_at),
            ends_at=rfc3339(family.ends_at),
            address=family.address,
            user_agent=family.user_agent,
            current=family.family_id == current,
        )


class SessionPage(BaseModel):
    """Some of the sessions of a user, newest first."""

    items: list[SessionResponse]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[Family], current: str | None) -> Self:
        """Write a page for the wire."""
        return cls(items=[SessionResponse.of(item, current) for item in page.items], next_cursor=page.next_cursor)
