"""Published versions of models: what is known of one, what can be done with it, and why it may be refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO, Protocol

from shared.errors import JSON, AppError, Kind


class VersionState(StrEnum):
    """What a version is to its model."""

    ACTIVE = "active"
    """Answers predictions."""
    PREVIOUS = "previous"
    """Answered before the active one, and can come back by one call."""
    PUBLISHED = "published"
    """Can be activated."""


class ModelMissing(AppError):
    """No model of this name is served."""

    kind, code = Kind.MISSING, "twin.model_missing"

    def __init__(self, model: str) -> None:
        super().__init__(f"no model named {model!r} is served", model=model)


class ModelUnnamed(AppError):
    """The request names no model, and there is not one that would be meant."""

    kind, code = Kind.INVALID, "twin.model_unnamed"

    def __init__(self, models: Sequence[str]) -> None:
        super().__init__("name a model: there is no default", models=list(models))


class VersionMissing(AppError):
    """The model has no such version, or it was withdrawn."""

    kind, code = Kind.MISSING, "twin.version_missing"

    def __init__(self, model: str, version: str) -> None:
        super().__init__(f"{model!r} has no version {version!r}", model=model, version=version)


class PreviousMissing(AppError):
    """There is no version to go back to."""

    kind, code = Kind.CONFLICT, "twin.previous_missing"

    def __init__(self, model: str) -> None:
        super().__init__(f"{model!r} has no previous version to go back to", model=model)


class VersionExists(AppError):
    """The version was published before, with other content."""

    kind, code = Kind.CONFLICT, "twin.version_exists"

    def __init__(self, model: str, version: str) -> None:
        super().__init__(
            f"version {version!r} of {model!r} was published before with other content; give it another version",
            model=model,
            version=version,
        )


class VersionActive(AppError):
    """The version answers predictions and so cannot be withdrawn."""

    kind, code = Kind.CONFLICT, "twin.version_active"

    def __init__(self, model: str, version: str) -> None:
        super().__init__(
            f"version {version!r} of {model!r} is active; activate another one first", model=model, version=version
        )


class ModelBuiltIn(AppError):
    """The model came with this installation's settings and not through the registry."""

    kind, code = Kind.CONFLICT, "twin.model_built_in"

    def __init__(self, model: str) -> None:
        super().__init__(f"{model!r} is set by the configuration of this installation", model=model)


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One published version.

    Parameters
    ----------
    digest
        SHA-256 of the signed manifest, in hex.
    published_at, published_by
        `None` for a model that the configuration names.
    card
        What the model takes and predicts, how it was trained and how good it is.
    """

    model: str
    version: str
    state: VersionState
    digest: str
    size_bytes: int
    published_at: datetime | None
    published_by: str | None
    card: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model: its active version, and all versions with the newest first."""

    active: ModelVersion
    versions: tuple[ModelVersion, ...]

    def version(self, version: str) -> ModelVersion:
        """One of the versions.

        Raises
        ------
        VersionMissing
            If it is not among them.
        """
        for item in self.versions:
            if item.version == version:
                return item
        raise VersionMissing(self.active.model, version)


@dataclass(frozen=True, slots=True)
class ModelPage:
    """Some models in the order of their names; `next_cursor` is `None` after the last."""

    items: tuple[ModelVersion, ...]
    next_cursor: str | None


class ModelRegistry(Protocol):
    """Publishes, activates and withdraws versions; every replica follows within two seconds."""

    async def publish(self, archive: BinaryIO, *, user: str) -> ModelVersion:
        """Check a zipped bundle and keep it; the first version of a model becomes active.

        Raises
        ------
        BundleUnsigned, BundleUntrustedKey, BundleAltered, BundleMalformed, BundleTooLarge
            If the bundle is not what a trusted key signed.
        VersionExists
            If this version was published before with other content.
        """
        ...

    async def activate(self, model: str, version: str | None) -> ModelVersion:
        """Let this version answer from now on; requests under way finish with the former one.

        Parameters
        ----------
        version
            `None`: the one that answered before the active one.

        Raises
        ------
        ModelMissing, VersionMissing, PreviousMissing, ModelBuiltIn
            If there is no such version in the registry.
        VersionUnusable
            If the version can no longer be loaded; the former one goes on answering.
        """
        ...

    async def withdraw(self, model: str, version: str) -> None:
        """Take a version away; the active one only if the model has no other, and then the model goes with it.

        Raises
        ------
        ModelMissing, VersionMissing, VersionActive, ModelBuiltIn
            If there is no such version, or it is active.
        """
        ...

    async def page(self, *, limit: int, cursor: str | None) -> ModelPage:
        """Active versions of the models whose name comes after `cursor`."""
        ...

    async def find(self, model: str) -> ModelEntry:
        """One model with all its versions.

        Raises
        ------
        ModelMissing
            If there is none of this name.
        """
        ...

    async def check(self) -> None:
        """Return if it is known which models are served.

        Raises
        ------
        RegistryNotRead
            If that could not be read yet.
        """
        ...

    def served(self) -> Sequence[tuple[str, str]]:
        """Name and active version of every model this process answers for, without asking the database."""
        ...
