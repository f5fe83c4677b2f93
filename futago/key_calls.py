"""The client's part for API keys: the way in for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from futago.connection import Connection, path_part
from futago.wire import JsonObject

_KEYS = "/api/v1/api-keys"


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key to make.

    Parameters
    ----------
    owner
        Whose it becomes; `None` for the caller's own.
    scopes
        `None` for reading, predicting and scoring.
    assets, networks
        Asset subtrees it is limited to, and networks (CIDR) it is sent from; empty for no limit.
    expires_in_days
        `None` for a year.
    requests_per_hour, burst
        Its own limit, both or neither.
    """

    name: str
    owner: str | None = None
    scopes: Sequence[str] | None = None
    assets: Sequence[str] = ()
    networks: Sequence[str] = ()
    expires_in_days: int | None = None
    requests_per_hour: int | None = None
    burst: int | None = None

    def body(self) -> dict[str, object]:
        """As the interface takes it."""
        whole: dict[str, object] = {
            "name": self.name,
            "owner": self.owner,
            "scopes": self.scopes,
            "assets": self.assets,
            "networks": self.networks,
            "expires_in_days": self.expires_in_days,
        }
        if self.requests_per_hour is not None or self.burst is not None:
            whole["limit"] = {"requests_per_hour": self.requests_per_hour, "burst": self.burst}
        return {name: value for name, value in whole.items() if value is not None}


class KeyCalls:
    """What `Client` asks of API keys."""

    _api: Connection

    def create_api_key(self, wanted: NewApiKey) -> JsonObject:
        """Make a key; its secret is in `api_key` of this answer and cannot be shown again.

        Raises
        ------
        InvalidInput
            If it would be wider than its owner.
        """
        return self._api.command(_KEYS, wanted.body())

    def api_keys(
        self,
        *,
        owner: str | None = None,
        state: str | None = None,
        expires_within_days: int | None = None,
        limit: int | None = None,
    ) -> list[JsonObject]:
        """The caller's keys, or everybody's for those who manage keys; with no limit, all of them.

        Parameters
        ----------
        state
            `active`, `expired` or `deactivated`.
        """
        asked = {"owner": owner, "state": state, "expires_within_days": expires_within_days}
        return self._api.items(_KEYS, limit, asked)

    def change_api_key(self, key_id: str, change: Mapping[str, object]) -> JsonObject:
        """Change a key.

        Parameters
        ----------
        change
            `name`, `active`, `scopes`, `assets`, `networks`, `limit`, `expires_at`; what is left out stays.

        Raises
        ------
        NotFound
            If there is no such key, or it is not the caller's to manage.
        """
        return self._api.change(f"{_KEYS}/{path_part(key_id)}", change)

    def deactivate_api_key(self, key_id: str) -> JsonObject:
        """Switch a key off; within two seconds, no replica takes it."""
        return self.change_api_key(key_id, {"active": False})

    def rotate_api_key(self, key_id: str, *, overlap_s: int = 0) -> JsonObject:
        """Give a key a new secret, which is in `api_key` of this answer; the old one counts for the overlap only."""
        return self._api.command(f"{_KEYS}/{path_part(key_id)}/rotate", {"overlap_s": overlap_s})

    def delete_api_key(self, key_id: str) -> None:
        """Remove a key."""
        self._api.delete(f"{_KEYS}/{path_part(key_id)}")
