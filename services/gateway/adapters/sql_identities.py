"""People whom identity providers vouched for, in the database."""

from datetime import datetime
from functools import partial
from typing import Any

from anyio import to_thread
from sqlalchemy import Engine, Row, insert, select, update

from services.gateway.adapters.moments import from_ms, to_ms
from services.gateway.adapters.shown_rows import shown_page
from services.gateway.adapters.tables import external_identities as identities
from services.gateway.domain.errors import IdentityMissing
from services.gateway.domain.external_identity import ExternalIdentity, Vouched, identity_id
from services.gateway.domain.pages import Page, read_cursor
from shared.database import read, take_turns, write
from shared.principal import Role

# A caller is seen with each verification, which is more often than anybody needs to know.
_NOTE_EVERY_MS = 60_000


class SqlIdentities:
    """Implements `external_callers.IdentityBook` and `identity_administration.IdentityStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def seen(self, vouched: Vouched, now: datetime) -> ExternalIdentity:
        return await to_thread.run_sync(self._seen, vouched, to_ms(now))

    async def page(self, *, limit: int, cursor: str | None) -> Page[ExternalIdentity]:
        return await to_thread.run_sync(self._page, limit, read_cursor(cursor))

    async def get(self, identity_id: str) -> ExternalIdentity:
        return await to_thread.run_sync(self._get, identity_id)

    async def set_active(self, identity_id: str, *, active: bool) -> ExternalIdentity:
        return await to_thread.run_sync(partial(self._set_active, identity_id, active=active))

    def _seen(self, vouched: Vouched, now_ms: int) -> ExternalIdentity:
        known = identity_id(vouched.provider, vouched.subject)
        wanted = select(identities).where(identities.c.identity_id == known)
        said = {"display_name": vouched.display_name, "role": vouched.role.value}
        with read(self._engine) as connection:
            row = connection.execute(wanted).one_or_none()
        if row is not None and now_ms - row.last_seen_at_ms < _NOTE_EVERY_MS and said == _said(row):
            return _identity(row)
        with write(self._engine) as connection:
            # Two replicas that see somebody first would otherwise both add them.
            take_turns(connection, {f"identity {known}"})
            noted = (
                update(identities)
                .where(identities.c.identity_id == known)
                .values(said | {"last_seen_at_ms": now_ms})
                .returning(identities)
            )
            row = connection.execute(noted).one_or_none()
            if row is None:
                first = said | {
                    "identity_id": known,
                    "provider": vouched.provider,
                    "subject": vouched.subject,
                    "active": True,
                    "generation": 1,
                    "first_seen_at_ms": now_ms,
                    "last_seen_at_ms": now_ms,
                }
                row = connection.execute(insert(identities).values(first).returning(identities)).one()
            return _identity(row)

    def _page(self, limit: int, after: str | None) -> Page[ExternalIdentity]:
        key = identities.c.identity_id
        with read(self._engine) as connection:
            return shown_page(connection, select(identities), key, after=after, limit=limit, show=_identity)

    def _get(self, identity_id: str) -> ExternalIdentity:
        with read(self._engine) as connection:
            row = connection.execute(select(identities).where(identities.c.identity_id == identity_id)).one_or_none()
        if row is None:
            raise IdentityMissing(identity_id)
        return _identity(row)

    def _set_active(self, identity_id: str, *, active: bool) -> ExternalIdentity:
        changed = (
            update(identities)
            .where(identities.c.identity_id == identity_id)
            .values(active=active, generation=identities.c.generation + 1)
            .returning(identities)
        )
        with write(self._engine) as connection:
            row = connection.execute(changed).one_or_none()
        if row is None:
            raise IdentityMissing(identity_id)
        return _identity(row)


def _said(row: Row[Any]) -> dict[str, str]:
    return {"display_name": row.display_name, "role": row.role}


def _identity(row: Row[Any]) -> ExternalIdentity:
    return ExternalIdentity(
        identity_id=row.identity_id,
        provider=row.provider,
        subject=row.subject,
        display_name=row.display_name,
        role=Role(row.role),
        active=row.active,
        generation=row.generation,
        first_seen_at=from_ms(row.first_seen_at_ms),
        last_seen_at=from_ms(row.last_seen_at_ms),
    )
