"""The detectors in the database; a version that another process published is seen at the next call."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from services.anomaly.adapters.detector_store import DetectorStore, StoredBundle
from services.anomaly.adapters.tables import health, live, serving, thresholds, versions
from services.anomaly.domain.catalogue import (
    CursorInvalid,
    DetectorEntry,
    DetectorMissing,
    DetectorPage,
    PreviousMissing,
    Ready,
    VersionEntry,
    VersionMissing,
)
from services.anomaly.domain.thresholds import Threshold
from services.anomaly.domain.trained import Column
from shared.database import read, take_turns, write
from shared.errors import JSON


class SqlCatalogue:
    """Implements `catalogue.Catalogue`."""

    def __init__(self, engine: Engine, store: DetectorStore) -> None:
        self._engine = engine
        self._store = store

    def page(self, *, limit: int, cursor: str | None) -> DetectorPage:
        after = "" if cursor is None else _read_cursor(cursor)
        query = select(versions.c.name).where(versions.c.name > after)
        with read(self._engine) as connection:
            names = connection.scalars(query.distinct().order_by(versions.c.name).limit(limit + 1)).all()
            items = tuple(_entry(connection, name) for name in names[:limit])
        return DetectorPage(items, _write_cursor(names[limit - 1]) if len(names) > limit else None)

    def served(self) -> Sequence[tuple[str, int]]:
        """Name and serving version of every detector, by name."""
        chosen = func.coalesce(func.max(serving.c.version), func.max(versions.c.version))
        query = select(versions.c.name, chosen).outerjoin(serving, serving.c.name == versions.c.name)
        with read(self._engine) as connection:
            return [
                (name, version)
                for name, version in connection.execute(query.group_by(versions.c.name).order_by(versions.c.name))
            ]

    def entry(self, name: str) -> DetectorEntry:
        with read(self._engine) as connection:
            return _entry(connection, name)

    def ready(self, name: str) -> Ready:
        chosen = func.coalesce(serving.c.version, versions.c.version)
        query = (
            select(versions.c.version, versions.c.archive)
            .outerjoin(serving, serving.c.name == versions.c.name)
            .where(versions.c.name == name, versions.c.version == chosen)
        )
        with read(self._engine) as connection:
            row = connection.execute(query.order_by(versions.c.version.desc()).limit(1)).first()
            if row is None:
                raise DetectorMissing(name)
            later = _last_threshold(connection, name, row.version)
        detector = self._store.load(row.archive)
        return Ready(detector, detector.threshold if later is None else _threshold(later.threshold))

    def set_threshold(self, ready: Ready, threshold: Threshold, *, by: str, at: datetime) -> None:
        detector = ready.detector
        name, version = detector.name, int(detector.version)
        same = (versions.c.name == name) & (versions.c.version == version) & (versions.c.digest == detector.digest)
        with write(self._engine) as connection:
            _take_turn(connection, name)
            if connection.execute(select(versions.c.name).where(same)).first() is None:
                raise DetectorMissing(name)
            connection.execute(
                insert(thresholds).values(
                    name=name, version=version, threshold=threshold.to_json(), set_by=by, set_at_ms=_to_ms(at)
                )
            )

    def activate(self, name: str, version: int | None, *, by: str, at: datetime) -> DetectorEntry:
        with write(self._engine) as connection:
            _take_turn(connection, name)
            before = _entry(connection, name)
            if version is None:
                version = connection.scalar(select(serving.c.previous).where(serving.c.name == name))
                if version is None:
                    raise PreviousMissing(name)
            if all(known.version != version for known in before.versions):
                raise VersionMissing(name, version)
            if version != before.serving:
                _serve(connection, name, version, previous=before.serving, by=by, at=at)
            return _entry(connection, name)

    def delete(self, name: str) -> None:
        with write(self._engine) as connection:
            _take_turn(connection, name)
            archives = connection.scalars(
                delete(versions).where(versions.c.name == name).returning(versions.c.archive)
            ).all()
            for table in (thresholds, serving, live):
                connection.execute(delete(table).where(table.c.name == name))
            connection.execute(delete(health).where(health.c.detector == name))
        if not archives:
            raise DetectorMissing(name)
        for archive in archives:
            self._store.delete(archive)


class VersionTaken(Exception):
    """Another training published this version first."""


def next_version(engine: Engine, name: str) -> int:
    """The number that the next version of a detector gets."""
    with read(engine) as connection:
        return _next_version(connection, name)


def publish_version(
    connection: Connection,
    bundle: StoredBundle,
    *,
    name: str,
    version: int,
    columns: Sequence[Column],
    card: Mapping[str, JSON],
    job_id: str,
    at: datetime,
    serve: bool = True,
    by: str = "",
) -> None:
    """Make a stored bundle the next version, in the caller's transaction.

    Parameters
    ----------
    serve
        Whether it answers from now on; the first version always does.
    by
        Who asked for it.

    Raises
    ------
    VersionTaken
        If the number is no longer the next one; nothing was written.
    """
    _take_turn(connection, name)
    if _next_version(connection, name) != version:
        raise VersionTaken
    connection.execute(
        insert(versions).values(
            name=name,
            version=version,
            digest=bundle.digest,
            archive=bundle.archive,
            size_bytes=bundle.size_bytes,
            columns=[asdict(column) for column in columns],
            card=dict(card),
            job_id=job_id,
            created_at_ms=_to_ms(at),
        )
    )
    if version == 1:
        return
    current = _serving(connection, name, newest=version - 1)
    if serve:
        _serve(connection, name, version, previous=current, by=by, at=at)
    elif connection.scalar(select(serving.c.version).where(serving.c.name == name)) is None:
        # Without a word about it, the newest would serve.
        _serve(connection, name, current, previous=None, by=by, at=at)


def _take_turn(connection: Connection, name: str) -> None:
    """What one transaction forgets, no other may add to meanwhile: a later detector of this name would inherit it."""
    take_turns(connection, [f"anomaly detector {name}"])


def _next_version(connection: Connection, name: str) -> int:
    newest: int | None = connection.scalar(select(func.max(versions.c.version)).where(versions.c.name == name))
    return 1 if newest is None else newest + 1


def _serving(connection: Connection, name: str, *, newest: int) -> int:
    chosen: int | None = connection.scalar(select(serving.c.version).where(serving.c.name == name))
    return newest if chosen is None else chosen


def _serve(connection: Connection, name: str, version: int, *, previous: int | None, by: str, at: datetime) -> None:
    row = {"version": version, "previous": previous, "set_by": by, "set_at_ms": _to_ms(at)}
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(make(serving).values(name=name, **row).on_conflict_do_update(index_elements=["name"], set_=row))


def _entry(connection: Connection, name: str) -> DetectorEntry:
    rows = connection.execute(select(versions).where(versions.c.name == name).order_by(versions.c.version)).all()
    if not rows:
        raise DetectorMissing(name)
    number = _serving(connection, name, newest=rows[-1].version)
    current = next(row for row in rows if row.version == number)
    later = _last_threshold(connection, name, number)
    return DetectorEntry(
        name=name,
        columns=tuple(Column(**column) for column in current.columns),
        card=current.card,
        threshold=_threshold(current.card["threshold"] if later is None else later.threshold),
        threshold_set_at=None if later is None else _from_ms(later.set_at_ms),
        threshold_set_by=None if later is None else later.set_by,
        serving=number,
        versions=tuple(
            VersionEntry(
                row.version,
                row.digest,
                row.size_bytes,
                _from_ms(row.created_at_ms),
                row.job_id,
                row.card.get("comparison"),
            )
            for row in rows
        ),
    )


def _last_threshold(connection: Connection, name: str, version: int) -> Row[Any] | None:
    mine = (thresholds.c.name == name) & (thresholds.c.version == version)
    return connection.execute(select(thresholds).where(mine).order_by(thresholds.c.id.desc()).limit(1)).first()


def _threshold(document: Mapping[str, Any]) -> Threshold:
    return Threshold(document["value"], document["rule"], document["evidence"])


def _write_cursor(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        name = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise CursorInvalid from error
    # No name holds a control character, and PostgreSQL takes no text with a zero in it.
    if not name.isprintable():
        raise CursorInvalid
    return name


def _to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _from_ms(moment_ms: int) -> datetime:
    return datetime.fromtimestamp(moment_ms / 1000, UTC)
