"""Users in the database."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from anyio import to_thread
from sqlalchemy import Connection, Engine, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.gateway.adapters.moments import from_ms, to_ms
from services.gateway.adapters.tables import api_keys, refresh_families, users
from services.gateway.domain.accounts import UserChange, apply_change, check_not_last
from services.gateway.domain.errors import UserExists, UserMissing
from services.gateway.domain.pages import Page, read_cursor, write_cursor
from services.gateway.domain.users import User, is_username
from shared.database import read, write
from shared.principal import Role


class SqlUsers:
    """Implements `accounts.UserStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, username: str) -> User:
        return await to_thread.run_sync(self._get, username)

    async def add(self, user: User) -> None:
        await to_thread.run_sync(self._add, user)

    async def page(self, *, limit: int, cursor: str | None) -> Page[User]:
        return await to_thread.run_sync(self._page, limit, read_cursor(cursor))

    async def change(self, username: str, change: UserChange, now: datetime) -> User:
        return await to_thread.run_sync(self._change, username, change, now)

    async def set_password(self, username: str, password_hash: str, now: datetime) -> User:
        return await to_thread.run_sync(self._set_password, username, password_hash, now)

    async def delete(self, username: str, now: datetime) -> User:
        return await to_thread.run_sync(self._delete, username, now)

    async def is_empty(self) -> bool:
        """Whether there was never a user."""
        return await to_thread.run_sync(self._is_empty)

    def _get(self, username: str) -> User:
        with read(self._engine) as connection:
            return _find(connection, username)

    def _add(self, user: User) -> None:
        row = asdict(user) | {"role": user.role.value, "assets": list(user.assets)}
        row["created_at_ms"] = to_ms(row.pop("created_at"))
        row["password_changed_at_ms"] = to_ms(row.pop("password_changed_at"))
        try:
            with write(self._engine) as connection:
                connection.execute(insert(users).values(row))
        except IntegrityError:
            raise UserExists(user.username) from None

    def _page(self, limit: int, after: str | None) -> Page[User]:
        query = select(users).where(users.c.deleted_at_ms.is_(None)).order_by(users.c.username).limit(limit + 1)
        if after is not None:
            query = query.where(users.c.username > after)
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        more = len(rows) > limit
        return Page(tuple(map(_user, rows[:limit])), write_cursor(rows[limit - 1].username) if more else None)

    def _change(self, username: str, change: UserChange, now: datetime) -> User:
        with write(self._engine) as connection:
            user = _find(connection, username, lock=True)
            changed = apply_change(user, change, other_admins=_other_admins(connection, username))
            _store(connection, changed)
            if not changed.active:
                _end_sessions(connection, username, now)
        return changed

    def _set_password(self, username: str, password_hash: str, now: datetime) -> User:
        with write(self._engine) as connection:
            _find(connection, username, lock=True)
            connection.execute(
                update(users)
                .where(users.c.username == username)
                .values(
                    password_hash=password_hash,
                    password_changed_at_ms=to_ms(now),
                    generation=users.c.generation + 1,
                )
            )
            _end_sessions(connection, username, now)
            return _find(connection, username)

    def _delete(self, username: str, now: datetime) -> User:
        with write(self._engine) as connection:
            user = _find(connection, username, lock=True)
            check_not_last(user, other_admins=_other_admins(connection, username))
            deleted = apply_change(user, UserChange(active=False), other_admins=1)
            _store(connection, deleted)
            connection.execute(
                update(users).where(users.c.username == username).values(deleted_at_ms=to_ms(now), password_hash="")
            )
            connection.execute(update(api_keys).where(api_keys.c.owner == username).values(active=False))
            _end_sessions(connection, username, now)
        return deleted

    def _is_empty(self) -> bool:
        with read(self._engine) as connection:
            return connection.execute(select(func.count()).select_from(users)).scalar_one() == 0


def _find(connection: Connection, username: str, *, lock: bool = False) -> User:
    # Whatever is no user name is not worth asking for, and PostgreSQL would refuse some of it with an error.
    if not is_username(username):
        raise UserMissing(username)
    query = select(users).where(users.c.username == username, users.c.deleted_at_ms.is_(None))
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise UserMissing(username)
    return _user(row)


def _other_admins(connection: Connection, username: str) -> int:
    # Locked, so that two administrators who remove each other at the same moment cannot both succeed.
    query = select(users.c.username).where(
        users.c.role == Role.ADMIN.value,
        users.c.active.is_(True),
        users.c.deleted_at_ms.is_(None),
        users.c.username != username,
    )
    return len(connection.execute(query.order_by(users.c.username).with_for_update()).all())


def _store(connection: Connection, user: User) -> None:
    connection.execute(
        update(users)
        .where(users.c.username == user.username)
        .values(role=user.role.value, active=user.active, assets=list(user.assets), generation=user.generation)
    )


def _end_sessions(connection: Connection, username: str, now: datetime) -> None:
    connection.execute(
        update(refresh_families)
        .where(refresh_families.c.username == username, refresh_families.c.revoked_at_ms.is_(None))
        .values(revoked_at_ms=to_ms(now))
    )


def _user(row: Row[Any]) -> User:
    return User(
        username=row.username,
        role=Role(row.role),
        password_hash=row.password_hash,
        active=row.active,
        generation=row.generation,
        assets=tuple(row.assets),
        created_at=from_ms(row.created_at_ms),
        password_changed_at=from_ms(row.password_changed_at_ms),
    )
