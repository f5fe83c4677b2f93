"""The counter of changes that every replica looks at to know when to read the rest."""

from sqlalchemy import Connection, select, update

from services.twin.adapters.tables import generation


def begin_change(connection: Connection) -> None:
    """Count a change; first in its transaction, so that on PostgreSQL the row's lock makes writers wait in turn."""
    connection.execute(update(generation).values(value=generation.c.value + 1))


def current_generation(connection: Connection) -> int:
    """Equal numbers mean that nothing has changed in between."""
    return int(connection.execute(select(generation.c.value)).scalar_one())
