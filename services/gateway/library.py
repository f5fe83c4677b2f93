"""What is done to a gateway on its own machine, without going through its door."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import anyio
from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from services.gateway.adapters.offline_trail import OfflineTrail
from services.gateway.adapters.passlib_hasher import PasslibHasher
from services.gateway.adapters.redis_floors import RedisFloors
from services.gateway.adapters.sql_recovery import SqlRecovery
from services.gateway.adapters.tables import HISTORY, SCRIPTS
from services.gateway.domain.audit_verification import Verification
from services.gateway.domain.credentials import Stamp
from services.gateway.domain.passwords import MADE_UP_BYTES
from services.gateway.domain.recovery import Recovery, RecoveryRequest
from shared.clock import SystemClock
from shared.database import current_tables, open_engine
from shared.errors import AppError, Kind
from shared.redis_client import async_client


class TrailUnreadable(AppError):
    """The audit trail cannot be verified with what was given."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "gateway.audit_trail_unreadable"


class DatabaseUnusable(AppError):
    """The gateway's database cannot be used from here."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "gateway.database_unusable"


@dataclass(frozen=True, slots=True)
class Recovered:
    """An administrator who can log in again.

    Parameters
    ----------
    everywhere
        Whether every replica knows that what was issued before has ended.
    """

    username: str
    password: str = field(repr=False)
    everywhere: bool


def recover_administrator(
    database_url: str,
    redis_url: str | None,
    username: str,
    *,
    by: str,
    without_second_factor: bool,
    keep: Callable[[str], None] = lambda _: None,
) -> Recovered:
    """Give an administrator a new password, enable the account and end its sessions.

    Parameters
    ----------
    redis_url
        Where replicas hear of it; `None` where none runs.
    by
        Name of whoever asks, as the operating system knows it; it stands in the audit trail.
    without_second_factor
        Remove the second factor as well.
    keep
        Puts the password somewhere safe; called before anything changes, so that no password is set that nobody knows.

    Raises
    ------
    DatabaseUnusable
        If the database cannot be reached, or its tables are of another release; nothing has changed.
    NoSuchAdministrator
        If there is none of this name; nothing has changed.
    """
    engine = _open(database_url)
    password = secrets.token_urlsafe(MADE_UP_BYTES)
    request = RecoveryRequest(username, by, without_second_factor)
    try:
        keep(password)
        everywhere = anyio.run(_recover, engine, redis_url, request, PasslibHasher().hash_now(password))
    finally:
        engine.dispose()
    return Recovered(username, password, everywhere)


def verify_trail(
    database_url: str, public_keys: Sequence[bytes], checkpoints: Iterable[bytes] | None = None
) -> Verification:
    """Read the audit trail in a database, whether or not a gateway runs on it.

    Parameters
    ----------
    public_keys
        Keys that signed checkpoints and cuts (PEM, P-256).
    checkpoints
        Lines of an export: what its checkpoints vouch for must be in the database.

    Raises
    ------
    DatabaseUnusable
        If the database cannot be reached, or its tables are of another release.
    TrailUnreadable
        If a key is of no use, or a line is no entry of an audit trail.
    """
    engine = _open(database_url)
    try:
        trail = OfflineTrail(public_keys)
        return trail.verify_database(engine, {} if checkpoints is None else trail.checkpoints(checkpoints))
    except ValueError as error:
        raise TrailUnreadable(str(error)) from error
    finally:
        engine.dispose()


def verify_export(
    lines: Iterable[bytes], public_keys: Sequence[bytes], checkpoints: Iterable[bytes] | None = None
) -> Verification:
    """Read an audit trail that was exported as lines of JSON or as syslog; parameters and errors as `verify_trail`."""
    try:
        trail = OfflineTrail(public_keys)
        return trail.verify_lines(lines, {} if checkpoints is None else trail.checkpoints(checkpoints))
    except ValueError as error:
        raise TrailUnreadable(str(error)) from error


async def _recover(engine: Engine, redis_url: str | None, request: RecoveryRequest, password_hash: str) -> bool:
    store, clock = SqlRecovery(engine), SystemClock()
    if redis_url is None:
        return await Recovery(store=store, floors=_NobodyRuns(), clock=clock).recover(request, password_hash)
    async with async_client(redis_url) as redis:
        return await Recovery(store=store, floors=RedisFloors(redis), clock=clock).recover(request, password_hash)


class _NobodyRuns:
    """Floors of a suite that is not running: nothing is remembered anywhere."""

    async def require_reachable(self) -> None: ...

    async def raise_to(self, *stamps: Stamp) -> None: ...


def _open(database_url: str) -> Engine:
    try:
        url = make_url(database_url)
        engine = open_engine(database_url)
    except (ArgumentError, ValueError) as error:
        # Not its words: they may repeat the URL, which holds a password.
        raise DatabaseUnusable("this is no URL of a database that the suite can use") from error
    # SQLite would make an empty file, and then say that it lacks a table.
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise DatabaseUnusable(f"there is no database file {url.database}")
    reason = current_tables(engine, HISTORY, SCRIPTS)()
    if reason is not None:
        engine.dispose()
        raise DatabaseUnusable(reason)
    return engine
