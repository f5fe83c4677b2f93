"""API keys in the database."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from anyio import to_thread
from sqlalchemy import Engine, Row, delete, insert, select, update

from services.gateway.adapters.moments import from_ms, optional_from_ms, to_ms
from services.gateway.adapters.tables import api_keys
from services.gateway.domain.api_keys import ApiKey
from services.gateway.domain.errors import ApiKeyMissing, ChangedMeanwhile
from services.gateway.domain.pages import Page, read_cursor, write_cursor
from services.gateway.domain.users import scopes_of
from shared.database import read, write
from shared.principal import Permission


class SqlKeys:
    """Implements `key_administration.KeyStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, key_id: str) -> ApiKey:
        return await to_thread.run_sync(self._get, key_id)

    async def add(self, key: ApiKey) -> None:
        await to_thread.run_sync(self._add, key)

    async def page(self, *, owner: str | None, limit: int, cursor: str | None) -> Page[ApiKey]:
        return await to_thread.run_sync(self._page, owner, limit, read_cursor(cursor))

    async def replace(self, key: ApiKey) -> ApiKey:
        return await to_thread.run_sync(self._replace, key)

    async def delete(self, key_id: str) -> ApiKey:
        return await to_thread.run_sync(self._delete, key_id)

    async def note_uses(self, uses: Mapping[str, datetime]) -> None:
        """Store when keys were last used, by id."""
        await to_thread.run_sync(self._note_uses, uses)

    def _get(self, key_id: str) -> ApiKey:
        with read(self._engine) as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).one_or_none()
        if row is None:
            raise ApiKeyMissing(key_id)
        return _key(row)

    def _add(self, key: ApiKey) -> None:
        with write(self._engine) as connection:
            connection.execute(insert(api_keys).values(_row(key)))

    def _page(self, owner: str | None, limit: int, after: str | None) -> Page[ApiKey]:
        query = select(api_keys).order_by(api_keys.c.key_id).limit(limit + 1)
        if owner is not None:
            query = query.where(api_keys.c.owner == owner)
        if after is not None:
            query = query.where(api_keys.c.key_id > after)
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        more = len(rows) > limit
        return Page(tuple(map(_key, rows[:limit])), write_cursor(rows[limit - 1].key_id) if more else None)

    def _replace(self, key: ApiKey) -> ApiKey:
        changed = (
            update(api_keys)
            .where(api_keys.c.key_id == key.key_id, api_keys.c.generation == key.generation)
            .values(_row(key) | {"generation": key.generation + 1})
            .returning(api_keys)
        )
        with write(self._engine) as connection:
            row = connection.execute(changed).one_or_none()
        if row is None:
            raise ChangedMeanwhile
        return _key(row)

    def _delete(self, key_id: str) -> ApiKey:
        with write(self._engine) as connection:
            row = connection.execute(
                delete(api_keys).where(api_keys.c.key_id == key_id).returning(api_keys)
            ).one_or_none()
        if row is None:
            raise ApiKeyMissing(key_id)
        return _key(row)

    def _note_uses(self, uses: Mapping[str, datetime]) -> None:
        with write(self._engine) as connection:
            for key_id, moment in sorted(uses.items()):
                connection.execute(
                    update(api_keys).where(api_keys.c.key_id == key_id).values(last_used_at_ms=to_ms(moment))
                )


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "owner": key.owner,
        "digest": key.digest,
        "former_digest": key.former_digest,
        "former_until_ms": None if key.former_until is None else to_ms(key.former_until),
        "scopes": scopes_of(key.scopes),
        "assets": list(key.assets),
        "active": key.active,
        "generation": key.generation,
        "created_at_ms": to_ms(key.created_at),
        "expires_at_ms": to_ms(key.expires_at),
        "last_used_at_ms": None if key.last_used_at is None else to_ms(key.last_used_at),
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
    )
