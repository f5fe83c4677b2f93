"""Logging in, staying logged in, logging out."""

from typing import Annotated

from fastapi import APIRouter, Form

from services.gateway.domain.errors import (
    HasherBusy,
    PasswordFormOff,
    RedisAway,
    RefreshRejected,
    TooManyAttempts,
    WrongCredentials,
)
from services.gateway.domain.factor_errors import SecondFactorRequired, SecondFactorUnreadable
from services.gateway.domain.password_form import PasswordForm
from services.gateway.domain.sessions import Sessions
from services.gateway.routes.callers import Origin, VerifiedCaller
from services.gateway.schemas.fields import MAX_TEXT
from services.gateway.schemas.sessions import LoginRequest, MeResponse, RefreshRequest, TokenResponse
from shared.http.dependencies import use
from shared.http.problems import responses

router = APIRouter(prefix="/api/v1/auth", tags=["authentication"])

_LOGIN = (WrongCredentials, SecondFactorRequired, TooManyAttempts, RedisAway, HasherBusy, SecondFactorUnreadable)


@router.post("/login", responses=responses(*_LOGIN))
async def login(
    body: LoginRequest,
    sessions: Annotated[Sessions, use(Sessions)],
    origin: Origin,
) -> TokenResponse:
    """Log in with user name and password, and with a code where a second factor is enrolled."""
    code = None if body.code is None else body.code.get_secret_value()
    return TokenResponse.of(await sessions.login(body.username, body.password.get_secret_value(), origin, code=code))


@router.post("/token", responses=responses(*_LOGIN, PasswordFormOff))
async def token(
    *,
    username: Annotated[str, Form(max_length=MAX_TEXT)],
    password: Annotated[str, Form(max_length=MAX_TEXT, json_schema_extra={"format": "password"})],
    form: Annotated[PasswordForm, use(PasswordForm)],
    origin: Origin,
    code: Annotated[str | None, Form(max_length=MAX_TEXT)] = None,
    grant_type: Annotated[str, Form(pattern="^password$")] = "password",  # noqa: ARG001  RFC 6749, section 4.3
) -> TokenResponse:
    """Log in with the password form of OAuth 2, as the documentation page does; a plant may switch it off."""
    return TokenResponse.of(await form.login(username, password, origin, code=code))


@router.post("/refresh", responses=responses(RefreshRejected, RedisAway))
async def refresh(
    body: RefreshRequest,
    sessions: Annotated[Sessions, use(Sessions)],
    origin: Origin,
) -> TokenResponse:
    """Spend a refresh token for a new pair; using one twice ends its session."""
    return TokenResponse.of(await sessions.refresh(body.refresh_token.get_secret_value(), origin))


@router.post("/logout", status_code=204)
async def logout(
    caller: VerifiedCaller,
    sessions: Annotated[Sessions, use(Sessions)],
    origin: Origin,
) -> None:
    """End the session: its access and refresh tokens stop working on every replica."""
    await sessions.logout(caller, origin)


@router.get("/me")
async def me(caller: VerifiedCaller) -> MeResponse:
    """Say who the caller is."""
    return MeResponse.of(caller)
