"""A finished inspection on its way from the planner to whoever judges the equipment's condition."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self

from shared.clock import rfc3339
from shared.contracts import fields
from shared.errors import JSON


@dataclass(frozen=True, slots=True)
class FinishedInspection:
    """Equipment that was looked after.

    Parameters
    ----------
    asset
        Dotted path of the equipment.
    finished
        Last day of the inspection.
    recorded_at
        Aware; when somebody told of it.
    """

    asset: str
    finished: date
    recorded_at: datetime

    @property
    def ended_at(self) -> datetime:
        """The latest moment at which it can have ended: the end of its last day in UTC, or when it was told of."""
        day_end = datetime.combine(self.finished, time(), UTC) + timedelta(days=1)
        return min(day_end, self.recorded_at)

    def to_json(self) -> dict[str, JSON]:
        """The wire form."""
        return {
            "asset": self.asset,
            "finished": self.finished.isoformat(),
            "recorded_at": rfc3339(self.recorded_at),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, JSON]) -> Self:
        """Read the wire form.

        Raises
        ------
        PayloadInvalid
            If a field is missing or of the wrong type.
        """
        try:
            finished = date.fromisoformat(fields.text(document, "finished"))
        except ValueError as error:
            raise fields.PayloadInvalid("finished must be a date") from error
        return cls(fields.text(document, "asset"), finished, fields.moment(document, "recorded_at"))
