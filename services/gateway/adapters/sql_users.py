"""Users in the database."""

from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from anyio import to_thread
from sqlalchemy import Connection, Engine, LargeBinary, Row, cast, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.gateway.adapters.moments import from_ms, optional_from_ms, to_ms
from services.gateway.adapters.shown_rows import shown_page
from services.gateway.adapters.tables import api_keys, recovery_codes, refresh_families, second_factors, users
from services.gateway.domain.delegation import Check, Shown
from services.gateway.domain.errors import UserExists, UserMissing
from services.gateway.domain.pages import Page, read_cursor
from services.gateway.domain.user_store import UserChange, apply_change, check_not_last
from services.gateway.domain.users import User, is_username
from shared.database import read, take_turns, write
from shared.principal import Role

# Whoever changes who administers takes turns: two administrators who remove each other at the same moment cannot both
# succeed, and neither waits for a row that the other holds.
_ADMINISTRATORS = ("administrators",)


class SqlUsers:
    """Implements `user_store.UserStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, username: str) -> User:
        return await to_thread.run_sync(self._get, username)

    async def add(self, user: User) -> None:
        await to_thread.run_sync(self._add, user)

    async def page(self, *, limit: int, cursor: str | None, shown: Shown) -> Page[User]:
        return await to_thread.run_sync(self._page, limit, read_cursor(cursor), shown)

    async def change(self, username: str, change: UserChange, now: datetime, *, check: Check) -> User:
        return await to_thread.run_sync(self._change, username, change, now, check)

    async def set_password(
        self,
        username: str,
        password_hash: str,
        now: datetime,
        *,
        check: Check,
        short: bool = False,
        given: bool = False,
        keys_too: bool = False,
    ) -> User:
        changed = {"password_hash": password_hash, "short_password": short, "given_password": given}
        return await to_thread.run_sync(partial(self._set_password, username, changed, now, check, keys_too=keys_too))

    async def note_login(self, username: str, now: datetime) -> None:
        await to_thread.run_sync(self._note_login, username, now)

    async def replace_hash(self, username: str, old: str, new: str) -> None:
        await to_thread.run_sync(self._replace_hash, username, old, new)

    async def delete(self, username: str, now: datetime, *, check: Check) -> User:
        return await to_thread.run_sync(self._delete, username, now, check)

    def _get(self, username: str) -> User:
        with read(self._engine) as connection:
            return find_user(connection, username)

    def _add(self, user: User) -> None:
        try:
            with write(self._engine) as connection:
                connection.execute(insert(users).values(user_row(user)))
        except IntegrityError:
            raise UserExists(user.username) from None

    def _page(self, limit: int, after: str | None, shown: Shown) -> Page[User]:
        def show(row: Row[Any]) -> User | None:
            user = _user(row)
            return user if shown(user.username, user.assets) else None

        query = select(users).where(users.c.deleted_at_ms.is_(None))
        with read(self._engine) as connection:
            return shown_page(connection, query, users.c.username, after=after, limit=limit, show=show)

    def _change(self, username: str, change: UserChange, now: datetime, check: Check) -> User:
        with write(self._engine) as connection:
            take_turns(connection, _ADMINISTRATORS)
            user = find_user(connection, username, lock=True)
            check(user)
            changed = apply_change(user, change, other_admins=_other_admins(connection, username))
            _store(connection, changed)
            if not changed.active:
                end_sessions(connection, username, now)
        return changed

    def _set_password(
        self, username: str, changed: dict[str, Any], now: datetime, check: Check, *, keys_too: bool
    ) -> User:
        with write(self._engine) as connection:
            check(find_user(connection, username, lock=True))
            connection.execute(
                update(users)
                .where(users.c.username == username)
                .values(changed | {"password_changed_at_ms": to_ms(now), "generation": users.c.generation + 1})
            )
            end_sessions(connection, username, now)
            if keys_too:
                _deactivate_keys(connection, username)
            return find_user(connection, username)

    def _note_login(self, username: str, now: datetime) -> None:
        with write(self._engine) as connection:
            connection.execute(update(users).where(users.c.username == username).values(last_login_at_ms=to_ms(now)))

    def _replace_hash(self, username: str, old: str, new: str) -> None:
        # Where the password was changed meanwhile, the hash is another and stays.
        unchanged = (users.c.username == username) & (users.c.password_hash == old)
        with write(self._engine) as connection:
            connection.execute(update(users).where(unchanged).values(password_hash=new))

    def _delete(self, username: str, now: datetime, check: Check) -> User:
        with write(self._engine) as connection:
            take_turns(connection, _ADMINISTRATORS)
            user = find_user(connection, username, lock=True)
            check(user)
            check_not_last(user, other_admins=_other_admins(connection, username))
            deleted = apply_change(user, UserChange(active=False), other_admins=1)
            _store(connection, deleted)
            connection.execute(
                update(users).where(users.c.username == username).values(deleted_at_ms=to_ms(now), password_hash="")
            )
            _lock_keys(connection, username)
            connection.execute(delete(api_keys).where(api_keys.c.owner == username))
            drop_factor(connection, username)
            end_sessions(connection, username, now)
        return deleted


def find_user(connection: Connection, username: str, *, lock: bool = False) -> User:
    """Read a user within a transaction, and keep others from changing the row until its end.

    Raises
    ------
    UserMissing
        If there is none.
    """
    # Whatever is no user name is not worth asking for, and PostgreSQL would refuse some of it with an error.
    if not is_username(username):
        raise UserMissing(username)
    query = select(users).where(users.c.username == username, users.c.deleted_at_ms.is_(None))
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise UserMissing(username)
    return _user(row)


def _other_admins(connection: Connection, username: str) -> int:
    query = select(users.c.assets).where(
        users.c.role == Role.ADMIN.value,
        users.c.active.is_(True),
        users.c.deleted_at_ms.is_(None),
        users.c.username != username,
    )
    return sum(not assets for assets in connection.execute(query).scalars())


def _store(connection: Connection, user: User) -> None:
    connection.execute(
        update(users)
        .where(users.c.username == user.username)
        .values(role=user.role.value, active=user.active, assets=list(user.assets), generation=user.generation)
    )


def end_sessions(connection: Connection, username: str, now: datetime, *, kept: str | None = None) -> None:
    """End the sessions of a user, but for one."""
    ended = (refresh_families.c.username == username) & refresh_families.c.revoked_at_ms.is_(None)
    if kept is not None:
        ended &= refresh_families.c.family_id != kept
    connection.execute(update(refresh_families).where(ended).values(revoked_at_ms=to_ms(now)))


def _deactivate_keys(connection: Connection, username: str) -> None:
    _lock_keys(connection, username)
    # What was verified with them before has the stamp of their owner, whose generation rises too.
    own = (api_keys.c.owner == username) & api_keys.c.active.is_(True)
    connection.execute(update(api_keys).where(own).values(active=False, generation=api_keys.c.generation + 1))


def _lock_keys(connection: Connection, username: str) -> None:
    # In the order in which `SqlKeys.note_uses` takes them, that of Python, whatever order the database has for text:
    # otherwise each would wait for a row that the other holds, and PostgreSQL would end one of them.
    in_order = cast(api_keys.c.key_id, LargeBinary)
    connection.execute(
        select(api_keys.c.key_id).where(api_keys.c.owner == username).order_by(in_order).with_for_update()
    )


def drop_factor(connection: Connection, username: str) -> None:
    """Remove a user's second factor with its recovery codes."""
    connection.execute(delete(second_factors).where(second_factors.c.username == username))
    connection.execute(delete(recovery_codes).where(recovery_codes.c.username == username))


def user_row(user: User) -> dict[str, Any]:
    """The row of a user who is just made."""
    row = asdict(user) | {"role": user.role.value, "assets": list(user.assets)}
    row["created_at_ms"] = to_ms(row.pop("created_at"))
    row["password_changed_at_ms"] = to_ms(row.pop("password_changed_at"))
    # Nobody has logged in yet as a user who is just made.
    del row["last_login_at"]
    return row


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
        second_factor=row.second_factor,
        short_password=row.short_password,
        given_password=row.given_password,
        last_login_at=optional_from_ms(row.last_login_at_ms),
    )
