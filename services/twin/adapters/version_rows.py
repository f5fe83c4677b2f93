"""Rows of the tables of models and versions, within a transaction that somebody else began."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select, update

from services.twin.adapters.tables import models, versions
from services.twin.domain.registry import ModelMissing, ModelVersion, VersionMissing, VersionState


def is_version(model: str, version: str) -> ColumnElement[bool]:
    """The condition that a row is this version."""
    return (versions.c.model == model) & (versions.c.version == version)


def _with_model() -> Select[Any]:
    return (
        select(versions, models.c.active_version, models.c.previous_version)
        .join(models, models.c.name == versions.c.model)
        .where(versions.c.withdrawn_at_ms.is_(None))
    )


def find_version(connection: Connection, model: str, version: str) -> ModelVersion:
    """One version that was not withdrawn.

    Raises
    ------
    ModelMissing, VersionMissing
        If there is none.
    """
    check_model(connection, model)
    row = connection.execute(_with_model().where(is_version(model, version))).one_or_none()
    if row is None:
        raise VersionMissing(model, version)
    return version_of(row)


def find_versions(connection: Connection, model: str) -> tuple[ModelVersion, ...]:
    """Every version of a model that was not withdrawn, newest first."""
    newest_first = (versions.c.published_at_ms.desc(), versions.c.version.desc())
    query = _with_model().where(versions.c.model == model).order_by(*newest_first)
    return tuple(map(version_of, connection.execute(query).all()))


def check_model(connection: Connection, model: str) -> None:
    """Raise `ModelMissing` if there is no such model."""
    if not has_model(connection, model):
        raise ModelMissing(model)


def has_model(connection: Connection, model: str) -> bool:
    """Whether there is such a model."""
    return connection.execute(select(models.c.name).where(models.c.name == model)).one_or_none() is not None


def activate_version(connection: Connection, model: str, version: str) -> ModelVersion:
    """Make a version the active one, and the former one the previous; raises as `find_version`."""
    found = find_version(connection, model, version)
    if found.state is VersionState.ACTIVE:
        return found
    change = {"active_version": version, "previous_version": models.c.active_version}
    connection.execute(update(models).where(models.c.name == model).values(change))
    return find_version(connection, model, version)


def version_of(row: Row[Any]) -> ModelVersion:
    """The version that a row holds, beside the active and the previous one of its model."""
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
