"""Making, changing, rotating and deleting API keys."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from services.gateway.domain import api_keys
from services.gateway.domain.api_keys import ApiKey, MintedKey
from services.gateway.domain.audit import Action, Event, Source
from services.gateway.domain.credentials import UserReader, Verified, key_stamp
from services.gateway.domain.delegation import Shown, is_oneself, shown_to
from services.gateway.domain.errors import BeyondOwnRights, NotAllowed
from services.gateway.domain.fresh_login import FreshLogin
from services.gateway.domain.key_errors import ApiKeyMissing, ExternalCaller, ScopesTooWide
from services.gateway.domain.key_requests import Keep, KeyChange, KeyFilter, KeyRequest
from services.gateway.domain.key_rights import (
    KeyCheck,
    assets_of,
    check_reach,
    counts_more,
    may_manage,
    may_take_over,
    networks_of,
)
from services.gateway.domain.pages import Page
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.sessions import AuditTrail, Entropy, Floors
from services.gateway.domain.users import User, scopes_of
from shared.clock import Clock, rfc3339
from shared.errors import JSON
from shared.principal import EXTERNAL, ROLE_PERMISSIONS, Permission, Principal

# What a machine that reads and predicts needs; more has to be asked for.
_DEFAULT_SCOPES = frozenset({Permission.READ, Permission.PREDICT, Permission.SCORE})


class KeyStore(Protocol):
    """Keeps API keys; each method is one transaction, and nothing is changed where its `check` raises."""

    async def get(self, key_id: str) -> ApiKey:
        """Raise `ApiKeyMissing` if there is none."""
        ...

    async def add(self, key: ApiKey, *, check: KeyCheck, most: int | None = None) -> None:
        """Keep a new key; raise `UserMissing` if there is no such owner, `TooManyKeys` if they have `most` already."""
        ...

    async def page(
        self, wanted: KeyFilter, *, now: datetime, limit: int, cursor: str | None, shown: Shown
    ) -> Page[ApiKey]:
        """Keys by id, as far as they are shown."""
        ...

    async def replace(self, key: ApiKey, *, check: KeyCheck) -> ApiKey:
        """Store the key under the next generation; raise `ChangedMeanwhile` if its generation is not the newest.

        When it was last used is not stored: others note that meanwhile. What is checked is the key as it was.
        """
        ...

    async def delete(self, key: ApiKey, *, check: KeyCheck) -> ApiKey:
        """Remove a key; raise `ApiKeyMissing` if there is none."""
        ...


class KeyAdministration:
    """What users do with their own keys, and those who manage keys with all.

    Parameters
    ----------
    fresh
        How recent the login of a session is in which a key's text is given out.
    ceiling
        The allowance of all callers, which only those who manage keys exceed for a key.
    """

    def __init__(
        self,
        *,
        keys: KeyStore,
        users: UserReader,
        floors: Floors,
        audit: AuditTrail,
        clock: Clock,
        entropy: Entropy,
        fresh: FreshLogin,
        ceiling: Limit,
    ) -> None:
        self._keys = keys
        self._users = users
        self._floors = floors
        self._audit = audit
        self._clock = clock
        self._entropy = entropy
        self._fresh = fresh
        self._ceiling = ceiling

    async def page(self, caller: Principal, wanted: KeyFilter, *, limit: int, cursor: str | None) -> Page[ApiKey]:
        """List the caller's keys; for those who manage keys, also all that reach no further than they do.

        Raises
        ------
        NotAllowed
            If somebody else's are asked for and the caller does not manage keys.
        """
        if not caller.may(Permission.MANAGE_KEYS):
            if wanted.owner not in {None, caller.subject}:
                raise NotAllowed(Permission.MANAGE_KEYS.value)
            wanted = replace(wanted, owner=caller.subject)
        shown = shown_to(caller)
        return await self._keys.page(wanted, now=self._clock.now(), limit=limit, cursor=cursor, shown=shown)

    async def get(self, verified: Verified, key_id: str) -> ApiKey:
        """One of the caller's keys, or, for those who manage keys, one that reaches no further than they do.

        Raises
        ------
        ApiKeyMissing
            If there is no such key, or it is not the caller's to see.
        BeyondOwnRights
            If it is somebody else's or a key asks, and it reaches further than the caller.
        """
        caller, key = verified.principal, await self._keys.get(key_id)
        if key.owner != caller.subject:
            key, _ = await self._find(caller, key_id, may_manage(verified))
        elif not is_oneself(caller, key.owner):
            check_reach(caller, key, await self._users.get(key.owner))
        return key

    async def create(self, verified: Verified, asked: KeyRequest, source: Source) -> tuple[ApiKey, MintedKey]:
        """Make a key; its text is in the second part of the answer and nowhere else.

        Raises
        ------
        NotAllowed
            If it is for somebody else, or asked for by a key, and the caller does not manage keys.
        UserMissing
            If there is no such owner.
        ScopesTooWide
            If it would do more than its owner, or than the key that asks.
        AssetsOutOfReach
            If neither owner nor caller reaches any of the assets.
        BeyondOwnRights
            If it would count where the key that asks does not.
        LimitTooHigh
            If its own limit is above the ceiling and the caller does not manage keys.
        TooManyKeys
            If the owner has `MOST_KEYS` already and the caller does not manage keys.
        InvalidExpiry
            If it would end in the past or live too long.
        ExternalCaller
            If the caller has no account here that could own it.
        FreshLoginRequired
            If the login of the caller's session is too long ago.
        ChangedMeanwhile
            If the caller was changed since the request came, as by a new password.
        """
        caller = verified.principal
        await self._fresh.require(verified)
        owner = await self._owner(caller, asked.owner or caller.subject)
        role_scopes = ROLE_PERMISSIONS[owner.role]
        scopes = _DEFAULT_SCOPES & role_scopes & caller.permissions if asked.scopes is None else asked.scopes
        self._check_scopes(caller, owner, scopes)
        self._check_limit(caller, asked.limit)
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
            assets=assets_of(caller, owner, asked.assets),
            active=True,
            generation=1,
            created_at=now,
            expires_at=api_keys.expiry(expires_at, now),
            last_used_at=None,
            networks=networks_of(verified, asked.networks or verified.networks),
            limit=asked.limit,
        )
        async with self._act(caller, Action.KEY_CREATED, key.key_id, source, {"owner": key.owner} | _facts(key)):
            most = None if caller.may(Permission.MANAGE_KEYS) else api_keys.MOST_KEYS
            await self._keys.add(key, check=may_manage(verified), most=most)
        return key, minted

    async def change(self, verified: Verified, key_id: str, change: KeyChange, source: Source) -> ApiKey:
        """Change a key; what was verified before is verified anew.

        Raises
        ------
        ApiKeyMissing
            If there is no such key, or it is not the caller's to manage.
        BeyondOwnRights
            If it is somebody else's or a key asks, and it reaches further than the caller; if it would count again,
            for longer or in more places, and may do more than the caller; or if it is the key that asks, and would
            count for longer.
        ScopesTooWide, AssetsOutOfReach, LimitTooHigh, InvalidExpiry, ChangedMeanwhile
            As for `create`.
        """
        caller, check = verified.principal, may_manage(verified)
        await self._floors.require_reachable()
        key, owner = await self._find(caller, key_id, check)
        if change.scopes is not None:
            self._check_scopes(caller, owner, change.scopes)
        limit = key.limit if isinstance(change.limit, Keep) else change.limit
        if limit != key.limit:
            self._check_limit(caller, limit)
        expires_at = key.expires_at
        if change.expires_at is not None:
            expires_at = api_keys.expiry(change.expires_at, self._clock.now())
        changed = replace(
            key,
            name=key.name if change.name is None else change.name,
            active=key.active if change.active is None else change.active,
            scopes=key.scopes if change.scopes is None else change.scopes,
            expires_at=expires_at,
            assets=key.assets if change.assets is None else assets_of(caller, owner, change.assets),
            networks=key.networks if change.networks is None else networks_of(verified, change.networks),
            limit=limit,
        )
        if key_id == verified.key_id and expires_at > key.expires_at:
            # Its end is when people look at it again: whoever stole it would put that off for ever.
            raise BeyondOwnRights(())
        if counts_more(changed, key):
            check = may_take_over(verified)
            check(key, owner)
        facts: dict[str, JSON] = {"active": changed.active} | _facts(changed)
        return await self._store(changed, self._act(caller, Action.KEY_CHANGED, key_id, source, facts), check)

    async def rotate(
        self, verified: Verified, key_id: str, overlap: timedelta, source: Source
    ) -> tuple[ApiKey, MintedKey]:
        """Give a key a new text; the old one counts for the overlap only, and the one before it no longer.

        Raises
        ------
        ApiKeyMissing
            If there is no such key, or it is not the caller's to manage.
        BeyondOwnRights
            If it is somebody else's, or a key asks, and it may do more than the caller, or counts where that key does
            not.
        FreshLoginRequired
            If the login of the caller's session is too long ago.
        ChangedMeanwhile
            As for `create`.
        """
        caller, check = verified.principal, may_take_over(verified)
        await self._fresh.require(verified)
        await self._floors.require_reachable()
        key, _ = await self._find(caller, key_id, check)
        minted = api_keys.mint(self._entropy(api_keys.ENTROPY_BYTES), key_id)
        rotated = replace(
            key,
            digest=minted.digest,
            former_digest=key.digest if overlap else None,
            former_until=self._clock.now() + overlap if overlap else None,
        )
        act = self._act(caller, Action.KEY_ROTATED, key_id, source, {"overlap_s": overlap.total_seconds()})
        return await self._store(rotated, act, check), minted

    async def delete(self, verified: Verified, key_id: str, source: Source) -> None:
        """Remove a key.

        Raises
        ------
        ApiKeyMissing
            If there is no such key, or it is not the caller's to manage.
        BeyondOwnRights, ChangedMeanwhile
            As for `change`.
        """
        caller, check = verified.principal, may_manage(verified)
        await self._floors.require_reachable()
        found, _ = await self._find(caller, key_id, check)
        async with self._act(caller, Action.KEY_DELETED, key_id, source, {"owner": found.owner}):
            key = await self._keys.delete(found, check=check)
        await self._floors.raise_to(key_stamp(key_id, key.generation + 1))

    async def _owner(self, caller: Principal, username: str) -> User:
        if not caller.may(Permission.MANAGE_KEYS) and not is_oneself(caller, username):
            raise NotAllowed(Permission.MANAGE_KEYS.value)
        if caller.method == EXTERNAL and username == caller.subject:
            raise ExternalCaller
        return await self._users.get(username)

    async def _find(self, caller: Principal, key_id: str, check: KeyCheck) -> tuple[ApiKey, User]:
        key = await self._keys.get(key_id)
        # Somebody else's key looks like none: ids are not for exploring.
        if not caller.may(Permission.MANAGE_KEYS) and not is_oneself(caller, key.owner):
            raise ApiKeyMissing(key_id)
        owner = await self._users.get(key.owner)
        check(key, owner)
        return key, owner

    def _check_scopes(self, caller: Principal, owner: User, scopes: frozenset[Permission]) -> None:
        api_keys.check_scopes(scopes, owner)
        if caller.method == "api_key" and (excess := scopes - caller.permissions):
            raise ScopesTooWide(tuple(scopes_of(excess)))

    def _check_limit(self, caller: Principal, limit: Limit | None) -> None:
        if not caller.may(Permission.MANAGE_KEYS):
            api_keys.check_limit(limit, self._ceiling)

    async def _store(self, key: ApiKey, act: AbstractAsyncContextManager[None], check: KeyCheck) -> ApiKey:
        async with act:
            stored = await self._keys.replace(key, check=check)
        await self._floors.raise_to(key_stamp(stored.key_id, stored.generation))
        return stored

    def _act(
        self,
        caller: Principal,
        action: Action,
        resource: str,
        source: Source,
        facts: dict[str, JSON],
    ) -> AbstractAsyncContextManager[None]:
        return self._audit.together(
            Event(self._clock.now(), caller.subject, action.value, resource, success=True, source=source, facts=facts)
        )


def _facts(key: ApiKey) -> dict[str, JSON]:
    limit: JSON = None
    if key.limit is not None:
        limit = {"requests_per_hour": key.limit.per_hour, "burst": key.limit.burst}
    return {
        "scopes": scopes_of(key.scopes),
        "assets": key.assets,
        "networks": [str(network) for network in key.networks],
        "limit": limit,
        "expires_at": rfc3339(key.expires_at),
    }
