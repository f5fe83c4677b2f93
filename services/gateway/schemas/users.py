"""Users."""

from typing import Self

from pydantic import BaseModel, Field, SecretStr, StrictBool

from services.gateway.domain.pages import Page
from services.gateway.domain.passwords import MAX_BYTES, MIN_LENGTH, MIN_LENGTH_BESIDE_FACTOR
from services.gateway.domain.users import User, scopes_of
from services.gateway.schemas.fields import MAX_TEXT, Asset, Body, Username
from shared.clock import rfc3339
from shared.principal import Role


class UserResponse(BaseModel):
    """A user."""

    username: str
    role: Role
    active: bool
    assets: list[str] = Field(description="asset subtrees the user is limited to; empty means all")
    scopes: list[str] = Field(description="what the role may do")
    second_factor: bool = Field(description="whether a login also needs a code")
    created_at: str
    password_changed_at: str
    last_login_at: str | None

    @classmethod
    def of(cls, user: User) -> Self:
        """Write a user for the wire."""
        return cls(
            username=user.username,
            role=user.role,
            active=user.active,
            assets=list(user.assets),
            scopes=scopes_of(user.principal().permissions),
            second_factor=user.second_factor,
            created_at=rfc3339(user.created_at),
            password_changed_at=rfc3339(user.password_changed_at),
            last_login_at=None if user.last_login_at is None else rfc3339(user.last_login_at),
        )


class UserPage(BaseModel):
    """Some of the users, by name."""

    items: list[UserResponse]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[User]) -> Self:
        """Write a page for the wire."""
        return cls(items=[UserResponse.of(user) for user in page.items], next_cursor=page.next_cursor)


class NewUser(Body):
    """A user to add."""

    username: Username
    password: SecretStr = Field(
        max_length=MAX_TEXT, description=f"{MIN_LENGTH} characters at least, {MAX_BYTES} bytes at most"
    )
    role: Role
    assets: list[Asset] = Field([], max_length=100)


class ChangedUser(Body):
    """What changes about a user; what is left out stays."""

    role: Role | None = None
    active: StrictBool | None = None
    assets: list[Asset] | None = Field(None, max_length=100)


class NewPassword(Body):
    """A new password; the current one is needed for one's own."""

    new_password: SecretStr = Field(
        max_length=MAX_TEXT,
        description=f"{MIN_LENGTH} characters at least, {MIN_LENGTH_BESIDE_FACTOR} beside a second factor",
    )
    current_password: SecretStr | None = Field(None, max_length=MAX_TEXT)
    deactivate_keys: StrictBool = Field(
        default=False, description="deactivate all API keys of the user too, as after a theft"
    )
