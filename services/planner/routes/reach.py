"""Who may see plans about which assets."""

from collections.abc import Iterable

from shared.http.dependencies import check_asset
from shared.principal import Principal


def check_reach(caller: Principal, assets: Iterable[str | None]) -> None:
    """Refuse a caller who is limited to other assets than all of these.

    Raises
    ------
    AssetOutOfReach
        Naming the first one out of reach.
    """
    for asset in assets:
        check_asset(caller, asset)


def reachable(caller: Principal, assets: Iterable[str | None]) -> bool:
    """Whether the caller may reach all of these assets."""
    return all(caller.may_reach(asset) for asset in assets)
