"""An administrator's account put right in the database, and the trail of it, in one transaction."""

from anyio import to_thread
from sqlalchemy import Connection, Engine, select, update

from services.gateway.adapters.audit_rows import append_in
from services.gateway.adapters.moments import to_ms
from services.gateway.adapters.sql_users import drop_factor, end_sessions, find_user
from services.gateway.adapters.tables import users
from services.gateway.domain.audit import Event
from services.gateway.domain.errors import UserMissing
from services.gateway.domain.recovery import NoSuchAdministrator, RecoveryRequest
from services.gateway.domain.users import User
from shared.database import write
from shared.principal import Role


class SqlRecovery:
    """Implements `recovery.RecoveryStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def recover(self, request: RecoveryRequest, password_hash: str, event: Event) -> User:
        return await to_thread.run_sync(self._recover, request, password_hash, event)

    def _recover(self, request: RecoveryRequest, password_hash: str, event: Event) -> User:
        with write(self._engine) as connection:
            _check_administers(connection, request.username)
            changed = {
                "password_hash": password_hash,
                "password_changed_at_ms": to_ms(event.at),
                "short_password": False,
                "given_password": True,
                "active": True,
                "generation": users.c.generation + 1,
            }
            if request.without_second_factor:
                drop_factor(connection, request.username)
                changed["second_factor"] = False
            connection.execute(update(users).where(users.c.username == request.username).values(changed))
            end_sessions(connection, request.username, event.at)
            recovered = find_user(connection, request.username)
            append_in(connection, [event])
        return recovered


def _check_administers(connection: Connection, username: str) -> None:
    try:
        administers = find_user(connection, username, lock=True).role is Role.ADMIN
    except UserMissing:
        administers = False
    if not administers:
        query = select(users.c.username).where(users.c.role == Role.ADMIN.value, users.c.deleted_at_ms.is_(None))
        raise NoSuchAdministrator(username, tuple(connection.execute(query.order_by(users.c.username)).scalars()))
