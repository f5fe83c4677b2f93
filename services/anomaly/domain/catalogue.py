"""The detectors a service has, and what it takes to look one up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.thresholds import Threshold
from services.anomaly.domain.trained import Column
from shared.errors import JSON, AppError, Kind


class DetectorMissing(AppError):
    """There is no detector of this name."""

    kind, code = Kind.MISSING, "anomaly.detector_missing"

    def __init__(self, name: str) -> None:
        super().__init__(f"no detector named {name!r}", detector=name)


class VersionMissing(AppError):
    """The detector has no version of this number."""

    kind, code = Kind.MISSING, "anomaly.version_missing"

    def __init__(self, name: str, version: int) -> None:
        super().__init__(f"the detector {name!r} has no version {version}", detector=name, version=version)


class PreviousMissing(AppError):
    """No version answered before the one that answers now."""

    kind, code = Kind.CONFLICT, "anomaly.previous_missing"

    def __init__(self, name: str) -> None:
        super().__init__(f"the detector {name!r} has had no other version that answered", detector=name)


class CursorInvalid(AppError):
    """The cursor did not come from an earlier page of the list."""

    kind, code = Kind.INVALID, "anomaly.cursor_invalid"

    def __init__(self) -> None:
        super().__init__("take the cursor from next_cursor of the page before")


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """One published version.

    Parameters
    ----------
    digest
        Of the signed bundle.
    size_bytes
        Of the stored archive.
    comparison
        With the version that served when this one was trained to follow it.
    """

    version: int
    digest: str
    size_bytes: int
    created_at: datetime
    job_id: str | None
    comparison: Mapping[str, JSON] | None


@dataclass(frozen=True, slots=True)
class DetectorEntry:
    """A detector as the list shows it: columns, card and threshold are those of the version that serves.

    Parameters
    ----------
    serving
        Number of the version that serves.
    threshold
        The limit in force: the published one, or the last that was set since.
    threshold_set_at, threshold_set_by
        Both `None` while the published limit is in force.
    """

    name: str
    columns: tuple[Column, ...]
    card: Mapping[str, JSON]
    threshold: Threshold
    threshold_set_at: datetime | None
    threshold_set_by: str | None
    serving: int
    versions: tuple[VersionEntry, ...]

    @property
    def current(self) -> VersionEntry:
        """The version that serves."""
        return next(version for version in self.versions if version.version == self.serving)


@dataclass(frozen=True, slots=True)
class Ready:
    """A loaded version and the limit in force."""

    detector: ServedDetector
    threshold: Threshold


@dataclass(frozen=True, slots=True)
class DetectorPage:
    """A part of the list, by name; `next_cursor` is `None` on the last one."""

    items: tuple[DetectorEntry, ...]
    next_cursor: str | None


class Catalogue(Protocol):
    """Where detectors are kept. Every call may wait for a disk or a network: make it in a thread."""

    def page(self, *, limit: int, cursor: str | None) -> DetectorPage: ...

    def entry(self, name: str) -> DetectorEntry:
        """Look one up; raises `DetectorMissing`."""
        ...

    def ready(self, name: str) -> Ready:
        """Load the version that serves, or find it loaded; raises `DetectorMissing`."""
        ...

    def activate(self, name: str, version: int | None, *, by: str, at: datetime) -> DetectorEntry:
        """Let a version serve, by its number or, without one, the version that served before.

        Raises `DetectorMissing`, `VersionMissing` and `PreviousMissing`.
        """
        ...

    def set_threshold(self, ready: Ready, threshold: Threshold, *, by: str, at: datetime) -> None:
        """Put a limit in force for the version it was computed for; raises `DetectorMissing`."""
        ...

    def delete(self, name: str) -> None:
        """Forget every version; raises `DetectorMissing`."""
        ...
