"""How far each destination has the audit trail, and which replica sends it the next entries."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.gateway.adapters.audit_rows import read_head, read_slice
from services.gateway.adapters.moments import to_ms
from services.gateway.adapters.tables import audit_exports
from services.gateway.domain.audit import Entry
from shared.database import read, write

# A replica that died is replaced after this time.
_HOLD = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Lag:
    """The newest entry that a destination has, and how many it lacks."""

    sequence: int
    entries: int


class SqlExports:
    """The cursor of each destination, kept with the trail: it survives every process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def lag(self, destination: str) -> Lag:
        """How far a destination is behind."""
        with read(self._engine) as connection:
            sequence = min(exported_up_to(connection, [destination]))
            return Lag(sequence, read_head(connection).sequence - sequence)

    def hold(self, destination: str, holder: str, now: datetime) -> bool:
        """Become or stay the one that sends; false while another replica is."""
        now_ms, until_ms = to_ms(now), to_ms(now + _HOLD)
        mine = {"holder": holder, "held_until_ms": until_ms}
        query = select(audit_exports).where(audit_exports.c.destination == destination)
        try:
            with write(self._engine) as connection:
                row = connection.execute(query.with_for_update()).one_or_none()
                if row is None:
                    connection.execute(insert(audit_exports).values(destination=destination, sequence=0, **mine))
                elif row.holder != holder and row.held_until_ms > now_ms:
                    return False
                else:
                    connection.execute(
                        update(audit_exports).where(audit_exports.c.destination == destination).values(mine)
                    )
        except IntegrityError:
            # Another replica made the row in the same moment.
            return False
        return True

    def following(self, sequence: int, limit: int) -> list[Entry]:
        """The next entries, oldest first."""
        with read(self._engine) as connection:
            return read_slice(connection, sequence, read_head(connection).sequence, limit)

    def move(self, destination: str, holder: str, sequence: int) -> None:
        """Note that the destination has everything up to here."""
        moved = update(audit_exports).where(
            audit_exports.c.destination == destination,
            audit_exports.c.holder == holder,
            audit_exports.c.sequence < sequence,
        )
        with write(self._engine) as connection:
            connection.execute(moved.values(sequence=sequence))


def exported_up_to(connection: Connection, destinations: Collection[str]) -> list[int]:
    """The newest entry of each destination; 0 for one that has none yet."""
    query = select(audit_exports.c.destination, audit_exports.c.sequence)
    found = {row.destination: row.sequence for row in connection.execute(query)}
    return [found.get(destination, 0) for destination in destinations]
