"""API keys in the database."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from anyio import to_thread
from sqlalchemy import Connection, Engine, Row, Select, delete, func, insert, or_, select, update

from services.gateway.adapters.moments import from_ms, optional_from_ms, to_ms
from services.gateway.adapters.shown_rows import shown_page
from services.gateway.adapters.sql_users import find_user
from services.gateway.adapters.tables import api_keys, users
from services.gateway.domain.addresses import parse_network
from services.gateway.domain.api_keys import ApiKey, KeyState, narrow_assets
from services.gateway.domain.delegation import Shown
from services.gateway.domain.errors import ChangedMeanwhile
from services.gateway.domain.key_errors import ApiKeyMissing, TooManyKeys
from services.gateway.domain.key_requests import KeyFilter
from services.gateway.domain.key_rights import KeyCheck
from services.gateway.domain.pages import Page, read_cursor
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.users import scopes_of
from shared.database import read, write
from shared.principal import Permission


class SqlKeys:
    """Implements `key_administration.KeyStore` and `credentials.KeyReader`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, key_id: str) -> ApiKey:
        return await to_thread.run_sync(self._get, key_id)

    async def add(self, key: ApiKey, *, check: KeyCheck, most: int | None = None) -> None:
        await to_thread.run_sync(self._add, key, check, most)

    async def page(
        self, wanted: KeyFilter, *, now: datetime, limit: int, cursor: str | None, shown: Shown
    ) -> Page[ApiKey]:
        return await to_thread.run_sync(self._page, wanted, to_ms(now), limit, read_cursor(cursor), shown)

    async def replace(self, key: ApiKey, *, check: KeyCheck) -> ApiKey:
        return await to_thread.run_sync(self._replace, key, check)

    async def delete(self, key: ApiKey, *, check: KeyCheck) -> ApiKey:
        return await to_thread.run_sync(self._delete, key, check)

    async def note_uses(self, uses: Mapping[str, datetime]) -> None:
        """Store when keys were last used, by id; what another replica saw later stays."""
        await to_thread.run_sync(self._note_uses, uses)

    async def ending(self, now: datetime, until: datetime) -> list[tuple[ApiKey, bool]]:
        """Keys that count and end before `until`, and whether people were told of that end."""
        return await to_thread.run_sync(self._ending, to_ms(now), until)

    async def mark_warned(self, key: ApiKey) -> None:
        """Remember that people were told of this key's end."""
        await to_thread.run_sync(self._mark_warned, key)

    def _get(self, key_id: str) -> ApiKey:
        with read(self._engine) as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).one_or_none()
        if row is None:
            raise ApiKeyMissing(key_id)
        return _key(row)

    def _add(self, key: ApiKey, check: KeyCheck, most: int | None) -> None:
        with write(self._engine) as connection:
            # The owner's row is locked: of two requests at once, the second counts the key of the first.
            check(key, find_user(connection, key.owner, lock=True))
            owned = select(func.count()).select_from(api_keys).where(api_keys.c.owner == key.owner)
            if most is not None and connection.execute(owned).scalar_one() >= most:
                raise TooManyKeys(most)
            connection.execute(insert(api_keys).values(key_row(key)))

    def _page(self, wanted: KeyFilter, now_ms: int, limit: int, after: str | None, shown: Shown) -> Page[ApiKey]:
        def show(row: Row[Any]) -> ApiKey | None:
            key = _key(row)
            return key if shown(key.owner, narrow_assets(tuple(row.owner_assets), key.assets)) else None

        owners = users.c.assets.label("owner_assets")
        query = _only(wanted, now_ms).add_columns(owners).join(users, users.c.username == api_keys.c.owner)
        with read(self._engine) as connection:
            return shown_page(connection, query, api_keys.c.key_id, after=after, limit=limit, show=show)

    def _replace(self, key: ApiKey, check: KeyCheck) -> ApiKey:
        changed = (
            update(api_keys)
            .where(api_keys.c.key_id == key.key_id)
            .values(_changeable(key) | {"generation": key.generation + 1})
            .returning(api_keys)
        )
        with write(self._engine) as connection:
            if _checked(connection, key, check).generation != key.generation:
                raise ChangedMeanwhile
            return _key(connection.execute(changed).one())

    def _delete(self, key: ApiKey, check: KeyCheck) -> ApiKey:
        with write(self._engine) as connection:
            stored = _checked(connection, key, check)
            connection.execute(delete(api_keys).where(api_keys.c.key_id == key.key_id))
        return stored

    def _note_uses(self, uses: Mapping[str, datetime]) -> None:
        with write(self._engine) as connection:
            # In one order, which whoever ends all keys of a user keeps to as well.
            for key_id, moment in sorted(uses.items()):
                used_ms = to_ms(moment)
                earlier = or_(api_keys.c.last_used_at_ms.is_(None), api_keys.c.last_used_at_ms < used_ms)
                connection.execute(
                    update(api_keys).where(api_keys.c.key_id == key_id, earlier).values(last_used_at_ms=used_ms)
                )

    def _ending(self, now_ms: int, until: datetime) -> list[tuple[ApiKey, bool]]:
        query = _only(KeyFilter(state=KeyState.ACTIVE, expires_before=until), now_ms).order_by(api_keys.c.key_id)
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        return [(_key(row), row.warned_expiry_ms == row.expires_at_ms) for row in rows]

    def _mark_warned(self, key: ApiKey) -> None:
        with write(self._engine) as connection:
            connection.execute(
                update(api_keys).where(api_keys.c.key_id == key.key_id).values(warned_expiry_ms=to_ms(key.expires_at))
            )


def _checked(connection: Connection, key: ApiKey, check: KeyCheck) -> ApiKey:
    """The key as it is stored; neither it nor its owner changes until the end of the transaction."""
    # The owner first, as for a new password: no two wait for each other.
    owner = find_user(connection, key.owner, lock=True)
    found = select(api_keys).where(api_keys.c.key_id == key.key_id).with_for_update()
    row = connection.execute(found).one_or_none()
    if row is None:
        raise ApiKeyMissing(key.key_id)
    stored = _key(row)
    check(stored, owner)
    return stored


def _only(wanted: KeyFilter, now_ms: int) -> Select[Any]:
    query = select(api_keys)
    if wanted.owner is not None:
        query = query.where(api_keys.c.owner == wanted.owner)
    if wanted.expires_before is not None:
        query = query.where(api_keys.c.expires_at_ms < to_ms(wanted.expires_before))
    match wanted.state:
        case KeyState.DEACTIVATED:
            query = query.where(api_keys.c.active.is_(False))
        case KeyState.EXPIRED:
            query = query.where(api_keys.c.active.is_(True), api_keys.c.expires_at_ms <= now_ms)
        case KeyState.ACTIVE:
            query = query.where(api_keys.c.active.is_(True), api_keys.c.expires_at_ms > now_ms)
    return query


def key_row(key: ApiKey) -> dict[str, Any]:
    """The row of a key."""
    return _changeable(key) | {
        "key_id": key.key_id,
        "owner": key.owner,
        "generation": key.generation,
        "created_at_ms": to_ms(key.created_at),
        "last_used_at_ms": None if key.last_used_at is None else to_ms(key.last_used_at),
    }


def _changeable(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "digest": key.digest,
        "former_digest": key.former_digest,
        "former_until_ms": None if key.former_until is None else to_ms(key.former_until),
        "scopes": scopes_of(key.scopes),
        "assets": list(key.assets),
        "networks": [str(network) for network in key.networks],
        "requests_per_hour": None if key.limit is None else key.limit.per_hour,
        "burst": None if key.limit is None else key.limit.burst,
        "active": key.active,
        "expires_at_ms": to_ms(key.expires_at),
    }


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        name=row.name,
        owner=row.owner,
        digest=row.digest,
        former_digest=row.former_digest,
        former_until=optional_from_ms(row.former_until_ms),
        scopes=frozenset(Permission(scope) for scope in row.scopes),
        assets=tuple(row.assets),
        active=row.active,
        generation=row.generation,
        created_at=from_ms(row.created_at_ms),
        expires_at=from_ms(row.expires_at_ms),
        last_used_at=optional_from_ms(row.last_used_at_ms),
        networks=tuple(map(parse_network, row.networks)),
        limit=None if row.burst is None else Limit("key", row.requests_per_hour, row.burst),
    )
