"""Second factors in the database: spending a code is one statement, so that of two uses at once one counts."""

from datetime import datetime
from functools import partial
from typing import Any

from anyio import to_thread
from sqlalchemy import Connection, Engine, Row, delete, insert, or_, select, update

from services.gateway.adapters.moments import from_ms, optional_from_ms, to_ms
from services.gateway.adapters.sql_users import drop_factor, end_sessions, find_user
from services.gateway.adapters.tables import recovery_codes, second_factors, users
from services.gateway.domain.delegation import Check
from services.gateway.domain.factor_errors import SecondFactorEnrolled, SecondFactorMissing
from services.gateway.domain.second_factor import Factor
from services.gateway.domain.users import User, is_username
from shared.database import read, write


class SqlSecondFactors:
    """Implements `second_factor.FactorStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, username: str) -> Factor:
        return await to_thread.run_sync(self._get, username)

    async def begin(self, factor: Factor) -> None:
        await to_thread.run_sync(self._begin, factor)

    async def confirm(
        self, factor: Factor, *, step: int, digests: tuple[bytes, ...], now: datetime, kept_session: str | None
    ) -> User:
        return await to_thread.run_sync(partial(self._confirm, factor, step, digests, now, kept_session))

    async def use_step(self, username: str, step: int) -> bool:
        return await to_thread.run_sync(self._use_step, username, step)

    async def use_recovery_code(self, username: str, digest: bytes) -> bool:
        return await to_thread.run_sync(self._use_recovery_code, username, digest)

    async def replace_recovery_codes(self, username: str, digests: tuple[bytes, ...]) -> None:
        await to_thread.run_sync(self._replace_recovery_codes, username, digests)

    async def remove(self, username: str, *, now: datetime, kept_session: str | None, check: Check) -> User:
        return await to_thread.run_sync(self._remove, username, now, kept_session, check)

    def _get(self, username: str) -> Factor:
        with read(self._engine) as connection:
            return _find(connection, username)

    def _begin(self, factor: Factor) -> None:
        with write(self._engine) as connection:
            if find_user(connection, factor.username, lock=True).second_factor:
                raise SecondFactorEnrolled
            drop_factor(connection, factor.username)
            connection.execute(
                insert(second_factors).values(
                    username=factor.username, sealed_secret=factor.sealed_secret, begun_at_ms=to_ms(factor.begun_at)
                )
            )

    def _confirm(
        self, factor: Factor, step: int, digests: tuple[bytes, ...], now: datetime, kept_session: str | None
    ) -> User:
        # The secret is compared, as each is sealed differently: another one may have been begun meanwhile.
        same = (
            (second_factors.c.username == factor.username)
            & (second_factors.c.sealed_secret == factor.sealed_secret)
            & second_factors.c.confirmed_at_ms.is_(None)
        )
        with write(self._engine) as connection:
            find_user(connection, factor.username, lock=True)
            confirmed = update(second_factors).where(same).values(confirmed_at_ms=to_ms(now), last_step=step)
            if connection.execute(confirmed).rowcount != 1:
                raise SecondFactorMissing
            _keep_codes(connection, factor.username, digests)
            return _changed(connection, factor.username, now, kept_session, second_factor=True)

    def _use_step(self, username: str, step: int) -> bool:
        newer = (
            (second_factors.c.username == username)
            & second_factors.c.confirmed_at_ms.is_not(None)
            & or_(second_factors.c.last_step.is_(None), second_factors.c.last_step < step)
        )
        with write(self._engine) as connection:
            return connection.execute(update(second_factors).where(newer).values(last_step=step)).rowcount == 1

    def _use_recovery_code(self, username: str, digest: bytes) -> bool:
        same = (recovery_codes.c.username == username) & (recovery_codes.c.digest == digest)
        with write(self._engine) as connection:
            return connection.execute(delete(recovery_codes).where(same)).rowcount == 1

    def _replace_recovery_codes(self, username: str, digests: tuple[bytes, ...]) -> None:
        with write(self._engine) as connection:
            if not find_user(connection, username, lock=True).second_factor:
                raise SecondFactorMissing
            _keep_codes(connection, username, digests)

    def _remove(self, username: str, now: datetime, kept_session: str | None, check: Check) -> User:
        with write(self._engine) as connection:
            user = find_user(connection, username, lock=True)
            check(user)
            if not user.second_factor:
                raise SecondFactorMissing
            drop_factor(connection, username)
            return _changed(connection, username, now, kept_session, second_factor=False)


def _find(connection: Connection, username: str) -> Factor:
    if not is_username(username):
        raise SecondFactorMissing
    row = connection.execute(select(second_factors).where(second_factors.c.username == username)).one_or_none()
    if row is None:
        raise SecondFactorMissing
    return _factor(row)


def _keep_codes(connection: Connection, username: str, digests: tuple[bytes, ...]) -> None:
    connection.execute(delete(recovery_codes).where(recovery_codes.c.username == username))
    connection.execute(insert(recovery_codes), [{"username": username, "digest": digest} for digest in digests])


def _changed(
    connection: Connection, username: str, now: datetime, kept_session: str | None, *, second_factor: bool
) -> User:
    connection.execute(
        update(users)
        .where(users.c.username == username)
        .values(second_factor=second_factor, generation=users.c.generation + 1)
    )
    end_sessions(connection, username, now, kept=kept_session)
    return find_user(connection, username)


def _factor(row: Row[Any]) -> Factor:
    return Factor(
        row.username,
        row.sealed_secret,
        from_ms(row.begun_at_ms),
        optional_from_ms(row.confirmed_at_ms),
        row.last_step,
    )
