"""Versions and which of them is active, in the database; every change counts the generation up."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, insert, select, update

from services.twin.adapters.generation import begin_change, current_generation
from services.twin.adapters.sql_experiments import end_experiment, find_experiment
from services.twin.adapters.tables import alert_rules, models, versions
from services.twin.adapters.version_rows import (
    activate_version,
    find_version,
    find_versions,
    has_model,
    is_version,
    version_of,
)
from services.twin.domain.experiments import ExperimentRunning, VersionInExperiment
from services.twin.domain.registry import (
    ModelEntry,
    ModelMissing,
    ModelPage,
    ModelVersion,
    PreviousMissing,
    VersionActive,
    VersionExists,
    VersionState,
)
from shared.database import read, write
from shared.errors import JSON

# In the place of the digest of a zip that is no longer in the store.
_FORGOTTEN = ""


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
class StoredModel:
    """What can be loaded of a model: which version is active, and where each is found."""

    active: str
    archive_digests: Mapping[str, str]


class SqlRegistry:
    """The tables of the registry; every method blocks, so call it in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def generation(self) -> int:
        """Counts the changes; equal numbers mean nothing has changed in between."""
        with read(self._engine) as connection:
            return current_generation(connection)

    def stored_models(self) -> dict[str, StoredModel]:
        """Every model with what can be loaded of it."""
        query = (
            select(models.c.name, models.c.active_version, versions.c.version, versions.c.archive_digest)
            .join(versions, versions.c.model == models.c.name)
            .where(versions.c.withdrawn_at_ms.is_(None))
        )
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        archives: dict[str, dict[str, str]] = {}
        for row in rows:
            archives.setdefault(row.name, {})[row.version] = row.archive_digest
        return {row.name: StoredModel(row.active_version, archives[row.name]) for row in rows}

    def publish(self, release: Release, *, user: str, now: datetime) -> ModelVersion:
        """Add a version; the first one of a model becomes active. The same content again changes nothing.

        Raises
        ------
        VersionExists
            If the version is known with other content.
        """
        with write(self._engine) as connection:
            begin_change(connection)
            query = select(versions.c.digest).where(is_version(release.model, release.version))
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
                connection.execute(update(versions).where(is_version(release.model, release.version)).values(restored))
            if not has_model(connection, release.model):
                connection.execute(insert(models).values(name=release.model, active_version=release.version))
            return find_version(connection, release.model, release.version)

    def activate(self, model: str, version: str) -> ModelVersion:
        """Make a version the active one, and the former one the previous.

        Raises
        ------
        ModelMissing, VersionMissing
            If there is no such version.
        ExperimentRunning
            If an experiment decides which version answers.
        """
        with write(self._engine) as connection:
            begin_change(connection)
            find_version(connection, model, version)
            if find_experiment(connection, model) is not None:
                raise ExperimentRunning(model)
            return activate_version(connection, model, version)

    def previous_version(self, model: str) -> str:
        """The version that answered before the active one.

        Raises
        ------
        ModelMissing
            If there is no such model.
        PreviousMissing
            If no version answered before, or it was withdrawn.
        """
        for version in self.find(model).versions:
            if version.state is VersionState.PREVIOUS:
                return version.version
        raise PreviousMissing(model)

    def withdraw(self, model: str, version: str, *, now: datetime) -> None:
        """Take a version away, and the model with its last one.

        Raises
        ------
        ModelMissing, VersionMissing
            If there is no such version.
        VersionActive
            If it is active and there are others.
        VersionInExperiment
            If it takes part in an experiment.
        """
        with write(self._engine) as connection:
            begin_change(connection)
            found = find_version(connection, model, version)
            experiment = find_experiment(connection, model)
            if experiment is not None and experiment.arm_of(version) is not None:
                raise VersionInExperiment(model, version)
            if found.state is VersionState.ACTIVE:
                if len(find_versions(connection, model)) > 1:
                    raise VersionActive(model, version)
                connection.execute(delete(models).where(models.c.name == model))
                connection.execute(delete(alert_rules).where(alert_rules.c.model == model))
                end_experiment(connection, model)
            if found.state is VersionState.PREVIOUS:
                connection.execute(update(models).where(models.c.name == model).values(previous_version=None))
            withdrawn = {"withdrawn_at_ms": int(now.timestamp() * 1000)}
            connection.execute(update(versions).where(is_version(model, version)).values(withdrawn))

    def forget_archives(self, withdrawn_before: datetime, forget: Callable[[str], None]) -> int:
        """Call `forget` with each zip that only versions withdrawn before then refer to; how many there were.

        The counter's lock is held meanwhile: nobody publishes or brings back a version between the look and the deed.
        """
        other = versions.alias()
        still_wanted = (other.c.archive_digest == versions.c.archive_digest) & (
            other.c.withdrawn_at_ms.is_(None) | (other.c.withdrawn_at_ms >= int(withdrawn_before.timestamp() * 1000))
        )
        orphans = (
            select(versions.c.archive_digest)
            .distinct()
            .where(versions.c.archive_digest != _FORGOTTEN)
            .where(~select(other.c.model).where(still_wanted).exists())
        )
        with read(self._engine) as connection:
            if not connection.execute(orphans.limit(1)).all():
                return 0
        with write(self._engine) as connection:
            begin_change(connection)
            digests = list(connection.execute(orphans).scalars())
            for digest in digests:
                forget(digest)
            forgotten = {"archive_digest": _FORGOTTEN}
            connection.execute(update(versions).where(versions.c.archive_digest.in_(digests)).values(forgotten))
        return len(digests)

    def known_archives(self, digests: Sequence[str]) -> AbstractSet[str]:
        """Which of these zips some version refers to, a withdrawn one too."""
        query = select(versions.c.archive_digest).where(versions.c.archive_digest.in_(digests))
        with read(self._engine) as connection:
            return frozenset(connection.execute(query).scalars())

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
        items = tuple(map(version_of, rows[:limit]))
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
            found = find_versions(connection, model)
        for item in found:
            if item.state is VersionState.ACTIVE:
                return ModelEntry(item, found)
        raise ModelMissing(model)

    def archive_digest(self, model: str, version: str) -> str:
        """Where the zip of a version is found; raises as `activate`."""
        with read(self._engine) as connection:
            find_version(connection, model, version)
            return str(
                connection.execute(select(versions.c.archive_digest).where(is_version(model, version))).scalar_one()
            )
