"""Models and their versions as JSON."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.twin.domain.registry import ModelEntry, ModelPage, ModelVersion
from services.twin.schemas.base import NAME_PATTERN, WireAnswer
from shared.clock import rfc3339


class ModelVersionResponse(WireAnswer):
    """The card of one version; members beyond these are the card's own: features, target, training, interval …"""

    model_config = ConfigDict(extra="allow")

    name: str
    version: str
    state: Literal["active", "previous", "published"]
    digest: str
    size_bytes: int
    published_at: str | None
    published_by: str | None

    @classmethod
    def of(cls, version: ModelVersion) -> Self:
        """The wire form of a version."""
        return cls(**{**version.card, **_facts(version)})


class VersionSummary(WireAnswer):
    """A version in the list of its model."""

    version: str
    state: Literal["active", "previous", "published"]
    digest: str
    size_bytes: int
    published_at: str | None
    published_by: str | None


class ModelResponse(ModelVersionResponse):
    """The card of a model's active version, and all its versions with the newest first."""

    versions: list[VersionSummary]

    @classmethod
    def of_entry(cls, entry: ModelEntry) -> Self:
        """The wire form of a model."""
        summaries = [VersionSummary(**_facts(version)) for version in entry.versions]
        return cls(**{**entry.active.card, **_facts(entry.active), "versions": summaries})


class ModelPageResponse(WireAnswer):
    """Some models, by name."""

    items: list[ModelVersionResponse]
    next_cursor: str | None

    @classmethod
    def of(cls, page: ModelPage) -> Self:
        """The wire form of a page."""
        return cls(items=[ModelVersionResponse.of(item) for item in page.items], next_cursor=page.next_cursor)


class ServedModel(WireAnswer):
    """A model and the version that answers."""

    name: str
    version: str


class StatusResponse(WireAnswer):
    """What this twin serves."""

    status: Literal["ok"]
    models: list[ServedModel]
    user: str


class ActivationRequest(BaseModel):
    """Which version shall answer from now on: one by its name, or the one that answered before."""

    model_config = ConfigDict(extra="forbid")

    version: str | None = Field(None, pattern=NAME_PATTERN)
    previous: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.version is None) == (self.previous is None):
            raise ValueError("give either a version or previous: true")
        return self


def _facts(version: ModelVersion) -> dict[str, Any]:
    return {
        "name": version.model,
        "version": version.version,
        "state": version.state.value,
        "digest": version.digest,
        "size_bytes": version.size_bytes,
        "published_at": None if version.published_at is None else rfc3339(version.published_at),
        "published_by": version.published_by,
    }
