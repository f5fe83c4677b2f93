"""Nobody hands out more than they hold: a user, a password or a secret is a way to act as its owner."""

from collections.abc import Set as AbstractSet

from services.gateway.domain.errors import BeyondOwnRights
from shared.principal import Permission, Principal


def check_holds(caller: Principal, permissions: AbstractSet[Permission], assets: tuple[str, ...]) -> None:
    """Let the caller hand out rights that it has itself.

    Without this, an API key that may only manage users makes itself an administrator, and one that may only manage
    keys takes over the widest of them by giving it a new secret.

    Parameters
    ----------
    assets
        Subtrees that the rights are limited to; empty means all.

    Raises
    ------
    BeyondOwnRights
        If a permission or a subtree is not the caller's.
    """
    missing = sorted(permission.value for permission in permissions - caller.permissions)
    reaches = not caller.assets or (bool(assets) and all(map(caller.may_reach, assets)))
    if missing or not reaches:
        raise BeyondOwnRights(tuple(missing))
