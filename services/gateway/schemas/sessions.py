"""Logging in and staying logged in."""

from typing import Literal, Self

from pydantic import BaseModel, Field, SecretStr

from services.gateway.domain.credentials import Verified
from services.gateway.domain.duties import Duty
from services.gateway.domain.sessions import TokenPair
from services.gateway.domain.users import scopes_of
from services.gateway.schemas.fields import MAX_TEXT, Body
from shared.clock import rfc3339
from shared.principal import Role


class LoginRequest(Body):
    """User name and password, and a code where a second factor is enrolled."""

    username: str = Field(max_length=MAX_TEXT)
    password: SecretStr = Field(max_length=MAX_TEXT)
    code: SecretStr | None = Field(
        None, max_length=MAX_TEXT, description="from the authenticator app, or a recovery code"
    )


class RefreshRequest(Body):
    """A refresh token, which is spent by this."""

    # However long: like any other text that is no refresh token of ours, it is a 401.
    refresh_token: SecretStr


class TokenResponse(BaseModel):
    """A pair of tokens."""

    access_token: str
    token: str = Field(description="the same as `access_token`, for clients of the original specification")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  a kind, not a secret
    expires_in: int = Field(description="life of the access token [s]")
    refresh_token: str = Field(description="good for one use")

    @classmethod
    def of(cls, pair: TokenPair) -> Self:
        """Write a pair for the wire."""
        return cls(
            access_token=pair.access_token,
            token=pair.access_token,
            expires_in=pair.expires_in_s,
            refresh_token=pair.refresh_token,
        )


class MeResponse(BaseModel):
    """Who the caller is, as far as the gateway is concerned."""

    user: str
    role: Role
    scopes: list[str]
    assets: list[str] = Field(description="asset subtrees the caller is limited to; empty means all")
    method: str = Field(description="`password`, `api_key`, or `external` for one an identity provider vouches for")
    second_factor: bool = Field(description="whether the user's logins also need a code")
    duty: Duty | None = Field(description="what has to be done before anything else is allowed")
    expires_at: str = Field(description="when the token or key ends")

    @classmethod
    def of(cls, caller: Verified) -> Self:
        """Write a caller for the wire."""
        principal = caller.principal
        return cls(
            user=principal.subject,
            role=principal.role,
            scopes=scopes_of(principal.permissions),
            assets=list(principal.assets),
            method=principal.method,
            second_factor=caller.second_factor,
            duty=caller.duty,
            expires_at=rfc3339(caller.expires_at),
        )
