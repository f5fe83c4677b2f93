"""Brings every table of the suite to its newest shape, found by folder: no service has to be imported for it."""

from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def histories(checkout: Path) -> Iterator[tuple[str, Path]]:
    """Name and scripts of each history: the shared one of jobs, then one for each service that has tables."""
    yield "jobs", checkout / "shared" / "migrations"
    for scripts in sorted((checkout / "services").glob("*/adapters/migrations")):
        yield scripts.parents[1].name, scripts


def migrate_all(database_url: str, checkout: Path = CHECKOUT) -> tuple[str, ...]:
    """Migrate every history; returns their names.

    Raises
    ------
    shared.database.DatabaseUnavailable
        If the database does not answer.
    alembic.util.CommandError
        If the database was written by a newer release.
    """
    from shared.database import migrate  # noqa: PLC0415 (half a second of imports that only this command needs)

    names = []
    for name, scripts in histories(checkout):
        migrate(database_url, name, scripts)
        names.append(name)
    return tuple(names)
