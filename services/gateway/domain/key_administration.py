"""Making, changing, rotating and deleting API keys."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from services.gateway.domain import api_keys
from services.gateway.domain.api_keys import ApiKey, MintedKey
from services.gateway.domain.audit import Action, Event, Source
from services.gateway.domain.credentials import UserReader, key_stamp
from services.gateway.domain.delegation import check_holds
from services.gateway.domain.errors import ApiKeyMissing, NotAllowed, ScopesTooWide
from services.gateway.domain.pages import Page
from services.gateway.domain.sessions import AuditTrail, Entropy, Floors
from services.gateway.domain.users import User, scopes_of
from shared.clock import Clock
from shared.errors import JSON
from shared.principal import ROLE_PERMISSIONS, Permission, Principal

# What a machine that reads and predicts needs; more has to be asked for.
_DEFAULT_SCOPES = frozenset({Permission.READ, Permission.PREDICT, Permission.SCORE})


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A key somebody asks for.

    Parameters
    ----------
    owner
        Whose key it becomes; `None` for the caller's own.
    scopes
        `None` for reading, predicting and scoring, as far as the owner may.
    expires_at, expires_in_days
        One of them, or `None` for a year from now.
    """

    name: str
    owner: str | None = None
    scopes: frozenset[Permission] | None = None
    assets: tuple[str, ...] = ()
    expires_at: datetime | None = None
    expires_in_days: int | None = None


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What is changed about a key; `None` leaves a field as it is."""

    name: str | None = None
    active: bool | None = None
    scopes: frozenset[Permission] | None = None
    expires_at: datetime | None = None


class KeyStore(Protocol):
    """Keeps API keys; each method is one transaction."""

    async def get(self, key_id: str) -> ApiKey:
        """Raise `ApiKeyMissing` if there is none."""
        ...

    async def add(self, key: ApiKey) -> None:
        """Keep a new key."""
        ...

    async def page(self, *, owner: str | None, limit: int, cursor: str | None) -> Page[ApiKey]:
        """Keys by id, of one owner or of all."""
        ...

    async def replace(self, key: ApiKey) -> ApiKey:
        """Store the key under the next generation; raise `ChangedMeanwhile` if its generation is not the newest."""
        ...

    async def delete(self, key_id: str) -> ApiKey:
        """Remove a key; raise `ApiKeyMissing` if there is none."""
        ...


class KeyAdministration:
    """What users do with their own keys, and those who manage keys with all."""

    def __init__(
        self,
        *,
        keys: KeyStore,
        users: UserReader,
        floors: Floors,
        audit: AuditTrail,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._keys = keys
        self._users = users
        self._floors = floors
        self._audit = audit
        self._clock = clock
        self._entropy = entropy

    async def page(self, caller: Principal, *, limit: int, cursor: str | None) -> Page[ApiKey]:
        """List the caller's keys, or all for those who manage keys."""
        owner = None if caller.may(Permission.MANAGE_KEYS) else caller.subject
        return await self._keys.page(owner=owner, limit=limit, cursor=cursor)

    async def create(self, caller: Principal, asked: KeyRequest, source: Source) -> tuple[ApiKey, MintedKey]:
        """Make a key; its text is in the second part of the answer and nowhere else.

        Raises
        ------
        NotAllowed
            If it is for somebody else, or asked for by a key, and the caller does not manage keys.
        UserMissing
            If there is no such owner.
        ScopesTooWide
            If it would do more than its owner, or than the key that asks.
        InvalidExpiry
            If it would end in the past or live too long.
        """
        owner = await self._owner(caller, asked.owner or caller.subject)
        role_scopes = ROLE_PERMISSIONS[owner.role]
        scopes = _DEFAULT_SCOPES & role_scopes & caller.permissions if asked.scopes is None else asked.scopes
        self._check_scopes(caller, owner, scopes)
        now = self._clock.now()
        expires_at = asked.expires_at
        if asked.expires_in_days is not None:
            expires_at = now + timedelta(days=asked.expires_in_days)
        minted = api_keys.mint(self._entropy(api_keys.ENTROPY_BYTES))
        key = ApiKey(
            key_id=minted.key_id,
            name=asked.name,
            owner=owner.username,
            digest=minted.digest,
            former_digest=None,
            former_until=None,
            scopes=scopes,
            assets=api_keys.narrow_assets(caller.assets, asked.assets),
            active=True,
            generation=1,
            created_at=now,
            expires_at=api_keys.expiry(expires_at, now),
            last_used_at=None,
        )
        await self._keys.add(key)
        facts: dict[str, JSON] = {"owner": key.owner, "scopes": scopes_of(scopes)}
        await self._record(caller, Action.KEY_CREATED, key.key_id, source, facts)
        return key, minted

    async def change(self, caller: Principal, key_id: str, change: KeyChange, source: Source) -> ApiKey:
        """Change a key; what was verified before is verified anew.

        Raises
        ------
        ApiKeyMissing
            If there is no such key, or it is not the caller's to manage.
        ScopesTooWide, InvalidExpiry
            As for `create`.
        """
        await self._floors.require_reachable()
        key, owner = await self._find(caller, key_id)
        if change.scopes is not None:
            self._check_scopes(caller, owner, change.scopes)
        expires_at = key.expires_at
        if change.expires_at is not None:
            expires_at = api_keys.expiry(change.expires_at, self._clock.now())
        changed = await self._store(
            replace(
                key,
                name=key.name if change.name is None else change.name,
                active=key.active if change.active is None else change.active,
                scopes=key.scopes if change.scopes is None else change.scopes,
                expires_at=expires_at,
            )
        )
        facts: dict[str, JSON] = {"active": changed.active, "scopes": scopes_of(changed.scopes)}
        await self._record(caller, Action.KEY_CHANGED, key_id, source, facts)
        return changed

    async def rotate(
        self, caller: Principal, key_id: str, overlap: timedelta, source: Source
    ) -> tuple[ApiKey, MintedKey]:
        """Give a key a new text; the old one counts for the overlap only.

        Raises
        ------
        ApiKeyMissing
            If there is no such key, or it is not the caller's to manage.
        BeyondOwnRights
            If it is somebody else's, or a key asks, and it may do more than the caller.
        """
        await self._floors.require_reachable()
        key, owner = await self._find(caller, key_id)
        if key.owner != caller.subject or caller.method == "api_key":
            check_holds(caller, key.scopes, api_keys.narrow_assets(owner.assets, key.assets))
        minted = api_keys.mint(self._entropy(api_keys.ENTROPY_BYTES), key_id)
        rotated = await self._store(
            replace(
                key,
                digest=minted.digest,
                former_digest=key.digest if overlap else None,
                former_until=self._clock.now() + overlap if overlap else None,
            )
        )
        await self._record(caller, Action.KEY_ROTATED, key_id, source, {"overlap_s": overlap.total_seconds()})
        return rotated, minted

    async def delete(self, caller: Principal, key_id: str, source: Source) -> None:
        """Remove a key.

        Raises
        ------
        ApiKeyMissing
            If there is no such key, or it is not the caller's to manage.
        """
        await self._floors.require_reachable()
        await self._find(caller, key_id)
        key = await self._keys.delete(key_id)
        await self._floors.raise_to(key_stamp(key_id, key.generation + 1))
        await self._record(caller, Action.KEY_DELETED, key_id, source, {"owner": key.owner})

    async def _owner(self, caller: Principal, username: str) -> User:
        if not caller.may(Permission.MANAGE_KEYS) and (username != caller.subject or caller.method == "api_key"):
            raise NotAllowed(Permission.MANAGE_KEYS.value)
        return await self._users.get(username)

    async def _find(self, caller: Principal, key_id: str) -> tuple[ApiKey, User]:
        key = await self._keys.get(key_id)
        # Somebody else's key looks like none: ids are not for exploring.
        if not caller.may(Permission.MANAGE_KEYS) and (key.owner != caller.subject or caller.method == "api_key"):
            raise ApiKeyMissing(key_id)
        return key, await self._users.get(key.owner)

    def _check_scopes(self, caller: Principal, owner: User, scopes: frozenset[Permission]) -> None:
        api_keys.check_scopes(scopes, owner)
        if caller.method == "api_key" and (excess := scopes - caller.permissions):
            raise ScopesTooWide(tuple(scopes_of(excess)))

    async def _store(self, key: ApiKey) -> ApiKey:
        stored = await self._keys.replace(key)
        await self._floors.raise_to(key_stamp(stored.key_id, stored.generation))
        return stored

    async def _record(
        self,
        caller: Principal,
        action: Action,
        resource: str,
        source: Source,
        facts: dict[str, JSON],
    ) -> None:
        await self._audit.record(
            Event(self._clock.now(), caller.subject, action.value, resource, success=True, source=source, facts=facts)
        )
