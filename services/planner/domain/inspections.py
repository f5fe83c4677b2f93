"""Finished inspections: what really happened, and the previous end that the next plan begins with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from shared.errors import AppError, Kind


class InspectionDiffers(AppError):
    """An inspection of this device that ended on this day is recorded with other facts."""

    kind, code = Kind.CONFLICT, "planner.inspection_differs"

    def __init__(self, device: str, finished: date) -> None:
        super().__init__(
            f"the inspection of {device!r} that ended on {finished} is recorded already, with other facts",
            device=device,
            finished=finished.isoformat(),
        )


@dataclass(frozen=True, slots=True)
class Inspection:
    """An inspection that is over.

    Parameters
    ----------
    id
        Of the record.
    device
        Name of the device, as problems have it.
    asset
        Where it stands, if that is known.
    started, finished
        First and last day.
    findings
        What was found, in words.
    recorded_by, recorded_at
        Who told, and when.
    """

    id: str
    device: str
    asset: str | None
    started: date
    finished: date
    findings: str
    recorded_by: str
    recorded_at: datetime

    def says_the_same(self, other: "Inspection") -> bool:
        """Whether two records of one inspection hold the same facts."""
        return (self.started, self.findings) == (other.started, other.findings)


@dataclass(frozen=True, slots=True)
class InspectionPage:
    """A part of the list of inspections, newest first; `next_cursor` is `None` on the last one."""

    items: tuple[Inspection, ...]
    next_cursor: str | None


class InspectionStore(Protocol):
    """Where inspections are kept."""

    def record(self, inspection: Inspection) -> Inspection:
        """Keep an inspection, or return the record there is of the same; raise `InspectionDiffers`."""
        ...

    def page(self, *, device: str | None, limit: int, cursor: str | None) -> InspectionPage:
        """Return the inspections that follow the cursor, or raise `CursorInvalid`."""
        ...

    def last_ends(
        self, devices: Sequence[tuple[str, str | None]], before: date
    ) -> Mapping[tuple[str, str | None], date]:
        """Return the last day of the last inspection of each (device, asset) that ended before a day."""
        ...


class InspectionNews(Protocol):
    """Tells others of a finished inspection; never fails the one who recorded it."""

    async def finished(self, inspection: Inspection) -> None: ...
