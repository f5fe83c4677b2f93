"""Administration of users."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.gateway.domain.accounts import Accounts, UserRequest
from services.gateway.domain.errors import (
    BeyondOwnRights,
    ChangedMeanwhile,
    HasherBusy,
    InvalidQuery,
    LastAdmin,
    PasswordRefused,
    RedisAway,
    TooManyAttempts,
    UserExists,
    UserMissing,
    WrongCredentials,
)
from services.gateway.domain.pages import DEFAULT_ITEMS, MAX_ITEMS
from services.gateway.domain.user_store import UserChange
from services.gateway.routes.callers import Origin
from services.gateway.schemas.users import ChangedUser, NewPassword, NewUser, UserPage, UserResponse
from shared.http.dependencies import caller, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/users", tags=["users"])

Users = Annotated[Accounts, use(Accounts)]
Administrator = Annotated[Principal, require(Permission.MANAGE_USERS)]


@router.get("", responses=responses(InvalidQuery))
async def list_users(
    accounts: Users,
    administrator: Administrator,
    limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = DEFAULT_ITEMS,
    cursor: str | None = None,
) -> UserPage:
    """List users by name; who is limited to assets sees those who are limited to assets within."""
    return UserPage.of(await accounts.page(administrator, limit=limit, cursor=cursor))


@router.post("", status_code=201, responses=responses(UserExists, PasswordRefused, BeyondOwnRights, HasherBusy))
async def create_user(
    body: NewUser,
    response: Response,
    accounts: Users,
    administrator: Administrator,
    origin: Origin,
) -> UserResponse:
    """Add a user."""
    asked = UserRequest(body.username, body.password.get_secret_value(), body.role, tuple(body.assets))
    user = await accounts.create(administrator, asked, origin)
    response.headers["Location"] = f"/api/v1/users/{user.username}"
    return UserResponse.of(user)


@router.get("/{username}", responses=responses(UserMissing, BeyondOwnRights))
async def get_user(username: str, accounts: Users, administrator: Administrator) -> UserResponse:
    """Show a user."""
    return UserResponse.of(await accounts.get(administrator, username))


@router.patch("/{username}", responses=responses(UserMissing, LastAdmin, RedisAway, BeyondOwnRights))
async def change_user(
    username: str,
    body: ChangedUser,
    accounts: Users,
    administrator: Administrator,
    origin: Origin,
) -> UserResponse:
    """Change role, assets, or whether the user may log in; takes effect on tokens already issued."""
    change = UserChange(body.role, body.active, None if body.assets is None else tuple(body.assets))
    return UserResponse.of(await accounts.change(administrator, username, change, origin))


@router.delete("/{username}", status_code=204, responses=responses(UserMissing, LastAdmin, RedisAway, BeyondOwnRights))
async def delete_user(
    username: str,
    accounts: Users,
    administrator: Administrator,
    origin: Origin,
) -> None:
    """Delete a user with all sessions and keys; the name stays taken."""
    await accounts.delete(administrator, username, origin)


@router.post(
    "/{username}/password",
    status_code=204,
    responses=responses(
        UserMissing,
        PasswordRefused,
        WrongCredentials,
        TooManyAttempts,
        RedisAway,
        BeyondOwnRights,
        HasherBusy,
        ChangedMeanwhile,
    ),
)
async def set_password(
    username: str,
    body: NewPassword,
    accounts: Users,
    principal: Annotated[Principal, caller()],
    origin: Origin,
) -> None:
    """Set one's own password, or as an administrator somebody else's; ends every session of the user.

    API keys go on, unless they are to end too.
    """
    current = None if body.current_password is None else body.current_password.get_secret_value()
    new = body.new_password.get_secret_value()
    await accounts.set_password(principal, username, new, current, origin, deactivate_keys=body.deactivate_keys)
