"""From the SQLite file of a home to PostgreSQL: every table, once, and looked at afterwards."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, Integer, MetaData, Table, column, delete, func, insert, select, table, text

from futago.migrations import migrate_all
from shared.database import open_engine, read, write
from shared.errors import AppError, Kind

_BATCH_ROWS = 1000
_VERSIONS = "alembic_version"


class TargetNotEmpty(AppError):
    """The database holds something already."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "move.target_not_empty"

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"the target is not empty: there are rows in {', '.join(names)}; nothing was moved")


class TargetUnusable(AppError):
    """The target is no PostgreSQL."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "move.target_unusable"

    def __init__(self) -> None:
        super().__init__("name an empty PostgreSQL database: postgresql+psycopg://user:password@host/name")


class MoveIncomplete(AppError):
    """What arrived is not what was sent; the target was left as it was."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "move.incomplete"

    def __init__(self, name: str, sent_rows: int, arrived_rows: int) -> None:
        super().__init__(f"{name}: {sent_rows} rows were sent and {arrived_rows} arrived; nothing was moved")


@dataclass(frozen=True, slots=True)
class Moved:
    """Rows of each table, by name."""

    rows: Mapping[str, int]

    @property
    def total(self) -> int:
        """Rows of all tables."""
        return sum(self.rows.values())


def move_database(source_url: str, target_url: str, say: Callable[[str], None] = lambda _: None) -> Moved:
    """Copy every row of every table; all of them arrive or none.

    Nothing may write to the source meanwhile. Both are brought to this release first.

    Parameters
    ----------
    say
        Told the name of each table when its turn comes.

    Raises
    ------
    TargetUnusable, TargetNotEmpty, MoveIncomplete
        If it is no PostgreSQL, is in use, or lost something; the target's tables are empty then.
    DatabaseUnavailable
        If one of them does not answer.
    """
    try:
        target = open_engine(target_url)
    except ValueError as error:
        raise TargetUnusable from error
    if target.dialect.name != "postgresql":
        raise TargetUnusable
    migrate_all(source_url)
    migrate_all(target_url)
    source = open_engine(source_url)
    try:
        tables = _tables(target)
        _require_empty(target, tables)
        with read(source) as old, write(target) as new:
            rows = {}
            for each in tables:
                say(each.name)
                rows[each.name] = _copy(old, new, each)
        return Moved(rows)
    finally:
        source.dispose()
        target.dispose()


def _tables(engine: Engine) -> list[Table]:
    """The suite's tables, those that others refer to first."""
    metadata = MetaData()
    with read(engine) as connection:
        metadata.reflect(connection)
    for each in metadata.tables.values():
        for column_ in each.columns:
            # As both databases understand it.
            column_.type = column_.type.as_generic()
    return [each for each in metadata.sorted_tables if not each.name.startswith(_VERSIONS)]


def _require_empty(target: Engine, tables: list[Table]) -> None:
    """Only what the migrations themselves put in may be there."""
    with tempfile.TemporaryDirectory() as scratch:
        url = f"sqlite:///{Path(scratch) / 'fresh.db'}"
        migrate_all(url)
        fresh = open_engine(url)
        try:
            with read(fresh) as connection:
                expected = {each.name: _count(connection, each) for each in tables}
        finally:
            fresh.dispose()
    with read(target) as connection:
        filled = [each.name for each in tables if _count(connection, each) > expected[each.name]]
    if filled:
        raise TargetNotEmpty(filled)


def _copy(old: Connection, new: Connection, each: Table) -> int:
    if _count(new, each):
        new.execute(delete(each))
    sent_rows = 0
    for batch in _batches(old, each):
        new.execute(insert(each), batch)
        sent_rows += len(batch)
    arrived_rows, kept_rows = _count(new, each), _count(old, each)
    if not sent_rows == arrived_rows == kept_rows:
        raise MoveIncomplete(each.name, kept_rows, arrived_rows)
    _continue_numbers(new, each)
    return sent_rows


def _batches(old: Connection, each: Table) -> Iterator[list[dict[str, Any]]]:
    found = old.execution_options(yield_per=_BATCH_ROWS).execute(select(each).order_by(*each.primary_key.columns))
    for partition in found.mappings().partitions():
        yield [dict(row) for row in partition]


def _continue_numbers(new: Connection, each: Table) -> None:
    """Let numbers that the database gives out go on after those that were copied."""
    for own in each.primary_key.columns:
        if not isinstance(own.type, Integer):
            continue
        sequence = new.scalar(select(func.pg_get_serial_sequence(each.name, own.name)))
        if sequence is not None:
            last = new.scalar(select(func.max(own)))
            new.execute(text("SELECT setval(:name, :next, false)"), {"name": sequence, "next": (last or 0) + 1})


def _count(connection: Connection, each: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table(each.name, column("*")))) or 0
