"""People whom an identity provider vouches for."""

from typing import Self

from pydantic import BaseModel, Field

from services.gateway.domain.external_identity import ExternalIdentity
from services.gateway.domain.pages import Page
from services.gateway.schemas.fields import Body
from shared.clock import rfc3339
from shared.principal import Role


class IdentityResponse(BaseModel):
    """Somebody who logs in elsewhere."""

    id: str
    user: str = Field(description="as in the audit trail: the provider's name, a colon and the provider's subject")
    provider: str
    subject: str
    display_name: str = Field(description="for people to read; as the provider said last")
    role: Role = Field(description="as it was when last seen; the provider's groups decide anew with each token")
    active: bool
    first_seen_at: str
    last_seen_at: str = Field(description="to within some minutes")

    @classmethod
    def of(cls, identity: ExternalIdentity) -> Self:
        """Write an identity for the wire."""
        return cls(
            id=identity.identity_id,
            user=f"{identity.provider}:{identity.subject}",
            provider=identity.provider,
            subject=identity.subject,
            display_name=identity.display_name,
            role=identity.role,
            active=identity.active,
            first_seen_at=rfc3339(identity.first_seen_at),
            last_seen_at=rfc3339(identity.last_seen_at),
        )


class IdentityPage(BaseModel):
    """Some of the identities."""

    items: list[IdentityResponse]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[ExternalIdentity]) -> Self:
        """Write a page for the wire."""
        return cls(items=[IdentityResponse.of(item) for item in page.items], next_cursor=page.next_cursor)


class ChangedIdentity(Body):
    """Whether an identity is let in."""

    active: bool
