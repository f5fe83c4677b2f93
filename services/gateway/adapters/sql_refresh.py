"""Refresh tokens in the database: judging and spending one is a single transaction."""

from datetime import datetime, timedelta
from typing import Any

from anyio import to_thread
from sqlalchemy import Connection, Engine, Row, Select, and_, insert, or_, select, update

from services.gateway.adapters.audit_rows import append_in
from services.gateway.adapters.moments import from_ms, optional_from_ms, to_ms
from services.gateway.adapters.sql_users import end_sessions
from services.gateway.adapters.tables import refresh_families, refresh_tokens, users
from services.gateway.domain.errors import RefreshRejected, SessionMissing, WrongCredentials
from services.gateway.domain.pages import Page, read_dated_cursor, write_dated_cursor
from services.gateway.domain.refresh import Family, RefreshToken, Verdict, judge
from services.gateway.domain.sessions import Tell
from shared.database import read, write
from shared.retention import delete_rows


class SqlRefresh:
    """Implements `sessions.FamilyStore`, `session_desk.SessionStore` and `credentials.FamilyReader`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def open(self, family: Family, token: RefreshToken, *, generation: int) -> None:
        await to_thread.run_sync(self._open, family, token, generation)

    async def family(self, family_id: str) -> Family:
        return await to_thread.run_sync(self._family, family_id)

    async def rotate(
        self, digest: bytes, successor_digest: bytes, *, now: datetime, idle: timedelta, tell: Tell
    ) -> tuple[Verdict, Family]:
        return await to_thread.run_sync(self._rotate, digest, successor_digest, now, idle, tell)

    async def revoke(self, family_id: str, now: datetime) -> None:
        await to_thread.run_sync(self._revoke, family_id, now)

    async def page(self, username: str, now: datetime, *, limit: int, cursor: str | None) -> Page[Family]:
        return await to_thread.run_sync(self._page, username, now, limit, read_dated_cursor(cursor))

    async def revoke_one(self, username: str, family_id: str, now: datetime) -> None:
        await to_thread.run_sync(self._revoke_one, username, family_id, now)

    async def revoke_all(self, username: str, now: datetime) -> int:
        return await to_thread.run_sync(self._revoke_all, username, now)

    def remove_ended(self, before: datetime) -> int:
        """Remove families whose absolute end lies before a moment, with their tokens, and say how many."""
        return delete_rows(self._engine, refresh_families, refresh_families.c.ends_at_ms < to_ms(before))

    def _open(self, family: Family, token: RefreshToken, generation: int) -> None:
        unchanged = select(users.c.username).where(
            users.c.username == family.username, users.c.generation == generation, users.c.active.is_(True)
        )
        with write(self._engine) as connection:
            if connection.execute(unchanged.with_for_update()).first() is None:
                raise WrongCredentials
            connection.execute(
                insert(refresh_families).values(
                    family_id=family.family_id,
                    username=family.username,
                    created_at_ms=to_ms(family.created_at),
                    ends_at_ms=to_ms(family.ends_at),
                    address=family.address,
                    user_agent=family.user_agent,
                )
            )
            _add_token(connection, token)

    def _family(self, family_id: str) -> Family:
        with read(self._engine) as connection:
            row = connection.execute(
                select(refresh_families).where(refresh_families.c.family_id == family_id)
            ).one_or_none()
        if row is None:
            raise RefreshRejected
        return _family(row)

    def _rotate(
        self, digest: bytes, successor_digest: bytes, now: datetime, idle: timedelta, tell: Tell
    ) -> tuple[Verdict, Family]:
        with write(self._engine) as connection:
            token, family = _find(connection, digest)
            verdict = judge(token, family, now)
            if verdict is Verdict.REVOKE_FAMILY:
                _end(connection, family.family_id, now)
            elif verdict is Verdict.ROTATE:
                connection.execute(
                    update(refresh_tokens).where(refresh_tokens.c.digest == digest).values(spent_at_ms=to_ms(now))
                )
                _add_token(connection, RefreshToken(successor_digest, family.family_id, now + idle, None))
                connection.execute(
                    update(refresh_families)
                    .where(refresh_families.c.family_id == family.family_id)
                    .values(refreshed_at_ms=to_ms(now))
                )
            if (event := tell(verdict, family)) is not None:
                append_in(connection, [event])
        return verdict, family

    def _revoke(self, family_id: str, now: datetime) -> None:
        with write(self._engine) as connection:
            _end(connection, family_id, now)

    def _page(self, username: str, now: datetime, limit: int, after: tuple[int, str] | None) -> Page[Family]:
        columns = refresh_families.c
        query = _alive(username, now).order_by(columns.created_at_ms.desc(), columns.family_id).limit(limit + 1)
        if after is not None:
            created_ms, family_id = after
            older = columns.created_at_ms < created_ms
            query = query.where(or_(older, and_(columns.created_at_ms == created_ms, columns.family_id > family_id)))
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        page = tuple(map(_family, rows[:limit]))
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(page, None if last is None else write_dated_cursor(last.created_at_ms, last.family_id))

    def _revoke_one(self, username: str, family_id: str, now: datetime) -> None:
        with write(self._engine) as connection:
            # Also one that has ended: asked again, as when Redis was lost half-way, it has to be ended to the end.
            found = select(refresh_families.c.family_id).where(
                refresh_families.c.username == username, refresh_families.c.family_id == family_id
            )
            if connection.execute(found.with_for_update()).first() is None:
                raise SessionMissing(family_id)
            _end(connection, family_id, now)

    def _revoke_all(self, username: str, now: datetime) -> int:
        raised = (
            update(users)
            .where(users.c.username == username)
            .values(generation=users.c.generation + 1)
            .returning(users.c.generation)
        )
        with write(self._engine) as connection:
            generation: int = connection.execute(raised).scalar_one()
            end_sessions(connection, username, now)
        return generation


def _alive(username: str, now: datetime) -> Select[Any]:
    columns = refresh_families.c
    return select(refresh_families).where(
        columns.username == username, columns.revoked_at_ms.is_(None), columns.ends_at_ms > to_ms(now)
    )


def _find(connection: Connection, digest: bytes) -> tuple[RefreshToken, Family]:
    # The family's row is locked first: of two requests with one token, PostgreSQL lets the second see it spent.
    family_id = connection.execute(
        select(refresh_tokens.c.family_id).where(refresh_tokens.c.digest == digest)
    ).scalar_one_or_none()
    if family_id is None:
        raise RefreshRejected
    family = connection.execute(
        select(refresh_families).where(refresh_families.c.family_id == family_id).with_for_update()
    ).one()
    token = connection.execute(select(refresh_tokens).where(refresh_tokens.c.digest == digest)).one()
    return _token(token), _family(family)


def _add_token(connection: Connection, token: RefreshToken) -> None:
    connection.execute(
        insert(refresh_tokens).values(
            digest=token.digest, family_id=token.family_id, expires_at_ms=to_ms(token.expires_at)
        )
    )


def _end(connection: Connection, family_id: str, now: datetime) -> None:
    connection.execute(
        update(refresh_families)
        .where(refresh_families.c.family_id == family_id, refresh_families.c.revoked_at_ms.is_(None))
        .values(revoked_at_ms=to_ms(now))
    )


def _token(row: Row[Any]) -> RefreshToken:
    return RefreshToken(row.digest, row.family_id, from_ms(row.expires_at_ms), optional_from_ms(row.spent_at_ms))


def _family(row: Row[Any]) -> Family:
    return Family(
        row.family_id,
        row.username,
        from_ms(row.created_at_ms),
        from_ms(row.ends_at_ms),
        optional_from_ms(row.revoked_at_ms),
        optional_from_ms(row.refreshed_at_ms),
        row.address,
        row.user_agent,
    )
