"""What a caller may do with a key, and how far what they hand out counts: never further than they do themselves."""

from collections.abc import Callable

from services.gateway.domain import api_keys
from services.gateway.domain.addresses import Network, lie_within
from services.gateway.domain.api_keys import ApiKey
from services.gateway.domain.credentials import Verified, user_stamp
from services.gateway.domain.delegation import check_holds, check_reaches, is_oneself
from services.gateway.domain.errors import BeyondOwnRights, ChangedMeanwhile
from services.gateway.domain.users import User
from shared.principal import Principal

# Raises where a key and its owner, as stored in the moment of an act, may not be acted on so.
KeyCheck = Callable[[ApiKey, User], None]


def may_manage(verified: Verified) -> KeyCheck:
    """Let the caller act on their own keys, and on those of others that reach no further than they do.

    One's own only as long as one's verification counts: a request that was on its way when its user took everything
    back, as with a new password after a theft, leaves no key behind.
    """
    caller = verified.principal

    def check(key: ApiKey, owner: User) -> None:
        if not is_oneself(caller, key.owner):
            check_reach(caller, key, owner)
        if key.owner == caller.subject and user_stamp(owner.username, owner.generation) not in verified.stamps:
            raise ChangedMeanwhile

    return check


def may_take_over(verified: Verified) -> KeyCheck:
    """Let the caller hand out a key, as a new text or by letting it count again, and with it all that it may do."""
    caller, manage = verified.principal, may_manage(verified)

    def check(key: ApiKey, owner: User) -> None:
        manage(key, owner)
        if not is_oneself(caller, key.owner):
            check_holds(caller, key.scopes, api_keys.narrow_assets(owner.assets, key.assets))
        networks_of(verified, key.networks)

    return check


def check_reach(caller: Principal, key: ApiKey, owner: User) -> None:
    """Raise `BeyondOwnRights` where a key reaches further than the caller."""
    check_reaches(caller, api_keys.narrow_assets(owner.assets, key.assets))


def counts_more(changed: ApiKey, key: ApiKey) -> bool:
    """Whether a change lets whoever has the key go on for longer or again, on more assets, or from more networks."""
    return (
        (changed.active and not key.active)
        or changed.expires_at > key.expires_at
        or set(api_keys.narrow_assets(key.assets, changed.assets)) != set(changed.assets)
        or not lie_within(changed.networks, key.networks)
    )


def networks_of(verified: Verified, networks: tuple[Network, ...]) -> tuple[Network, ...]:
    """These networks, unless a key asks that counts in others only: what it hands out counts nowhere else."""
    if not lie_within(networks, verified.networks):
        raise BeyondOwnRights(())
    return networks


def assets_of(caller: Principal, owner: User, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The asked subtrees as far as the caller reaches; what lies outside the owner's does not count at use."""
    assets = api_keys.reachable_assets(caller.assets, asked)
    api_keys.reachable_assets(owner.assets, assets)
    return assets
