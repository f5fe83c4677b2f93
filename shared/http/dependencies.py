"""What a route may ask for: an object made in `app.py`, the caller, the request's id."""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Depends, Request

from shared.errors import AppError, Kind
from shared.http.identity import PRINCIPAL_KEY
from shared.http.request_id import current_request_id
from shared.jwt import InvalidToken
from shared.principal import Permission, Principal

T = TypeVar("T")


class NotAllowed(AppError):
    """The caller is known and may not do this."""

    kind, code = Kind.FORBIDDEN, "auth.not_allowed"

    def __init__(self, permission: Permission) -> None:
        super().__init__(f"this needs the permission {permission.value!r}", permission=permission.value)


class AssetOutOfReach(AppError):
    """The caller is limited to other assets."""

    kind, code = Kind.FORBIDDEN, "auth.asset_out_of_reach"

    def __init__(self, asset: str | None) -> None:
        named = "an asset must be named" if asset is None else f"the asset {asset!r} is not yours to use"
        super().__init__(f"{named}: you are limited to some assets", asset=asset)


def use(kind: type[T]) -> Any:
    """Inject the object that `build_app` was given for this type."""

    # Not `def`: FastAPI would send it through its thread pool on every request.
    async def find(request: Request) -> T:
        found: T = request.app.state.objects[kind]
        return found

    return Depends(find)


def caller() -> Any:
    """Inject the verified caller, whatever it may do."""
    return Depends(_principal)


def require(permission: Permission) -> Any:
    """Inject the verified caller, and refuse one that lacks the permission."""
    return Depends(_guard(permission))


def request_id() -> Any:
    """Inject the request's id."""
    return Depends(_request_id)


def check_asset(principal: Principal, asset: str | None) -> None:
    """Refuse an asset outside the caller's subtrees.

    Raises
    ------
    AssetOutOfReach
        Also where a limited caller names no asset at all.
    """
    if not principal.may_reach(asset):
        raise AssetOutOfReach(asset)


async def _principal(request: Request) -> Principal:
    principal = request.scope.get(PRINCIPAL_KEY)
    if not isinstance(principal, Principal):
        raise InvalidToken
    return principal


async def _request_id() -> str:
    return current_request_id()


def _guard(permission: Permission) -> Callable[[Request], Any]:
    async def guard(request: Request) -> Principal:
        principal = await _principal(request)
        if not principal.may(permission):
            raise NotAllowed(permission)
        return principal

    return guard
