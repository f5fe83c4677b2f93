"""The first administrator, the key that comes along, and the trail of it, in one transaction."""

from collections.abc import Callable

from anyio import to_thread
from sqlalchemy import Engine, func, insert, select

from services.gateway.adapters.audit_rows import append_in
from services.gateway.adapters.sql_keys import key_row
from services.gateway.adapters.sql_users import user_row
from services.gateway.adapters.tables import api_keys, users
from services.gateway.domain.api_keys import ApiKey
from services.gateway.domain.audit import Event
from services.gateway.domain.users import User
from shared.database import take_turns, write


class SqlFirstAdmin:
    """Adds a user where there never was one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(self, user: User, key: ApiKey | None, event: Event, keep: Callable[[], None]) -> bool:
        """Add a user, a key and the event of it; of several who try at once, one succeeds.

        Parameters
        ----------
        keep
            Called when nothing but writing is left to do.

        Returns
        -------
        `False` if there is, or ever was, a user.
        """
        return await to_thread.run_sync(self._add, user, key, event, keep)

    def _add(self, user: User, key: ApiKey | None, event: Event, keep: Callable[[], None]) -> bool:
        with write(self._engine) as connection:
            take_turns(connection, ["first user"])
            if connection.execute(select(func.count()).select_from(users)).scalar_one():
                return False
            keep()
            connection.execute(insert(users).values(user_row(user)))
            if key is not None:
                connection.execute(insert(api_keys).values(key_row(key)))
            append_in(connection, [event])
        return True
