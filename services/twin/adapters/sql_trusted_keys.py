"""Keys that an administrator enrolled, in the database, where all replicas find them."""

from datetime import UTC, datetime

from sqlalchemy import Engine, delete, insert, select

from services.twin.adapters.generation import begin_change
from services.twin.adapters.tables import trusted_keys
from services.twin.domain.trust import TrustedKey
from shared.database import DatabaseUnavailable, read, write


class SqlTrustedKeys:
    """The table of enrolled keys; every method blocks, so call it in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._last_known: tuple[bytes, ...] | None = None

    def all(self) -> list[TrustedKey]:
        """Every enrolled key, by id."""
        with read(self._engine) as connection:
            rows = connection.execute(select(trusted_keys).order_by(trusted_keys.c.key_id)).all()
        return [
            TrustedKey(
                row.key_id, row.public_key, datetime.fromtimestamp(row.enrolled_at_ms / 1000, UTC), row.enrolled_by
            )
            for row in rows
        ]

    def add(self, key: TrustedKey, *, now: datetime) -> None:
        """Enrol a key; one that is enrolled stays as it is."""
        row = {
            "key_id": key.key_id,
            "public_key": key.public_key,
            "enrolled_at_ms": int(now.timestamp() * 1000),
            "enrolled_by": key.enrolled_by,
        }
        with write(self._engine) as connection:
            # Writers wait for one another: two that enrol the same key would both find it missing.
            begin_change(connection)
            known = select(trusted_keys.c.key_id).where(trusted_keys.c.key_id == key.key_id)
            if connection.execute(known).one_or_none() is None:
                connection.execute(insert(trusted_keys).values(row))

    def remove(self, key_id: str) -> bool:
        """Forget a key; whether there was one."""
        with write(self._engine) as connection:
            return connection.execute(delete(trusted_keys).where(trusted_keys.c.key_id == key_id)).rowcount > 0

    def public_keys(self) -> tuple[bytes, ...]:
        """The keys in PEM; while the database is away, those that were read last.

        Raises
        ------
        DatabaseUnavailable
            If they were never read.
        """
        try:
            self._last_known = tuple(key.public_key.encode() for key in self.all())
        except DatabaseUnavailable:
            if self._last_known is None:
                raise
        return self._last_known
