"""Versions and which of them is active, in the database; every change counts the generation up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, delete, insert, select, update

from services.twin.adapters.tables import generation, models, versions
from services.twin.domain.registry import (
    ModelEntry,
    ModelMissing,
    ModelPage,
    ModelVersion,
    VersionActive,
    VersionExists,
    VersionMissing,
    VersionState,
)
from shared.database import read, write
from shared.errors import JSON


@dataclass(frozen=True, slots=True)
class Release:
    """A checked bundle on its way into the registry."""

    model: str
    version: str
    digest: str
    archive_digest: str
    size_bytes: int
    card: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class ActiveVersion:
    """Where the active version of a model is found."""

    version: str
    digest: str
    archive_digest: str


class SqlRegistry:
    """The tables of the registry; every method blocks, so call it in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def generation(self) -> int:
        """Counts the changes; equal numbers mean nothing has changed in between."""
        with read(self._engine) as connection:
            return int(connection.execute(select(generation.c.value)).scalar_one())

    def active_versions(self) -> dict[str, ActiveVersion]:
        """The active version of every model."""
        query = select(models.c.name, versions.c.version, versions.c.digest, versions.c.archive_digest).join(
            versions, (versions.c.model == models.c.name) & (versions.c.version == models.c.active_version)
        )
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        return {row.name: ActiveVersion(row.version, row.digest, row.archive_digest) for row in rows}

    def publish(self, release: Release, *, user: str, now: datetime) -> ModelVersion:
        """Add a version; the first one of a model becomes active. The same content again changes nothing.

        Raises
        ------
        VersionExists
            If the version is known with other content.
        """
        with write(self._engine) as connection:
            _begin_change(connection)
            query = select(versions.c.digest).where(_is(release.model, release.version))
            known = connection.execute(query).one_or_none()
            if known is None:
                connection.execute(
                    insert(versions).values(
                        model=release.model,
                        version=release.version,
                        digest=release.digest,
                        archive_digest=release.archive_digest,
                        size_bytes=release.size_bytes,
                        card=release.card,
                        published_at_ms=int(now.timestamp() * 1000),
                        published_by=user,
                    )
                )
            elif known.digest != release.digest:
                raise VersionExists(release.model, release.version)
            else:
                # The same content packed by another program is another zip; the newest is surely in the store.
                restored = {"withdrawn_at_ms": None, "archive_digest": release.archive_digest}
                connection.execute(update(versions).where(_is(release.model, release.version)).values(restored))
            if not _has_model(connection, release.model):
                connection.execute(insert(models).values(name=release.model, active_version=release.version))
            return _find(connection, release.model, release.version)

    def activate(self, model: str, version: str) -> ModelVersion:
        """Make a version the active one, and the former one the previous.

        Raises
        ------
        ModelMissing, VersionMissing
            If there is no such version.
        """
        with write(self._engine) as connection:
            _begin_change(connection)
            found = _find(connection, model, version)
            if found.state is VersionState.ACTIVE:
                return found
            change = {"active_version": version, "previous_version": models.c.active_version}
            connection.execute(update(models).where(models.c.name == model).values(change))
            return _find(connection, model, version)

    def withdraw(self, model: str, version: str, *, now: datetime) -> None:
        """Take a version away, and the model with its last one.

        Raises
        ------
        ModelMissing, VersionMissing
            If there is no such version.
        VersionActive
            If it is active and there are others.
        """
        with write(self._engine) as connection:
            _begin_change(connection)
            found = _find(connection, model, version)
            if found.state is VersionState.ACTIVE:
                if len(_find_all(connection, model)) > 1:
                    raise VersionActive(model, version)
                connection.execute(delete(models).where(models.c.name == model))
            if found.state is VersionState.PREVIOUS:
                connection.execute(update(models).where(models.c.name == model).values(previous_version=None))
            withdrawn = {"withdrawn_at_ms": int(now.timestamp() * 1000)}
            connection.execute(update(versions).where(_is(model, version)).values(withdrawn))

    def page(self, *, limit: int, cursor: str | None) -> ModelPage:
        """Active versions in the order of their models' names."""
        query = (
            select(versions, models.c.active_version, models.c.previous_version)
            .join(models, (models.c.name == versions.c.model) & (models.c.active_version == versions.c.version))
            .where(models.c.name > (cursor or ""))
            .order_by(models.c.name)
            .limit(limit + 1)
        )
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        items = tuple(map(_version, rows[:limit]))
        return ModelPage(items, items[-1].model if len(rows) > limit else None)

    def find(self, model: str) -> ModelEntry:
        """A model with its versions, newest first.

        Raises
        ------
        ModelMissing
            If there is none of this name.
        """
        # One query, so that a model which goes meanwhile is there with all its versions or not at all.
        with read(self._engine) as connection:
            found = _find_all(connection, model)
        for item in found:
            if item.state is VersionState.ACTIVE:
                return ModelEntry(item, found)
        raise ModelMissing(model)

    def archive_digest(self, model: str, version: str) -> str:
        """Where the zip of a version is found; raises as `activate`."""
        with read(self._engine) as connection:
            _find(connection, model, version)
            return str(connection.execute(select(versions.c.archive_digest).where(_is(model, version))).scalar_one())


def _begin_change(connection: Connection) -> None:
    # First in the transaction: on PostgreSQL the row's lock also makes writers wait for one another.
    connection.execute(update(generation).values(value=generation.c.value + 1))


def _is(model: str, version: str) -> ColumnElement[bool]:
    return (versions.c.model == model) & (versions.c.version == version)


def _with_model() -> Select[Any]:
    return (
        select(versions, models.c.active_version, models.c.previous_version)
        .join(models, models.c.name == versions.c.model)
        .where(versions.c.withdrawn_at_ms.is_(None))
    )


def _find(connection: Connection, model: str, version: str) -> ModelVersion:
    _check_model(connection, model)
    row = connection.execute(_with_model().where(_is(model, version))).one_or_none()
    if row is None:
        raise VersionMissing(model, version)
    return _version(row)


def _find_all(connection: Connection, model: str) -> tuple[ModelVersion, ...]:
    newest_first = (versions.c.published_at_ms.desc(), versions.c.version.desc())
    query = _with_model().where(versions.c.model == model).order_by(*newest_first)
    return tuple(map(_version, connection.execute(query).all()))


def _check_model(connection: Connection, model: str) -> None:
    if not _has_model(connection, model):
        raise ModelMissing(model)


def _has_model(connection: Connection, model: str) -> bool:
    return connection.execute(select(models.c.name).where(models.c.name == model)).one_or_none() is not None


def _version(row: Row[Any]) -> ModelVersion:
    state = VersionState.PUBLISHED
    if row.version == row.active_version:
        state = VersionState.ACTIVE
    elif row.version == row.previous_version:
        state = VersionState.PREVIOUS
    return ModelVersion(
        model=row.model,
        version=row.version,
        state=state,
        digest=row.digest,
        size_bytes=row.size_bytes,
        published_at=datetime.fromtimestamp(row.published_at_ms / 1000, UTC),
        published_by=row.published_by,
        card=row.card,
    )
