"""A detector that is ready to score, as services and scripts hold it."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.detection import Detection, Scorer
from services.anomaly.domain.thresholds import HeldOut, Threshold
from services.anomaly.domain.trained import Column
from shared.errors import JSON


@dataclass(frozen=True, slots=True)
class ServedDetector:
    """One version of a detector.

    Parameters
    ----------
    digest
        Of the bundle it came from; fixes every byte of it.
    threshold
        As published; a limit set later is kept beside the bundle, never in it.
    card
        What the bundle says of itself.
    """

    name: str
    version: str
    digest: str
    columns: tuple[Column, ...]
    scorer: Scorer
    held_out: HeldOut
    threshold: Threshold
    card: Mapping[str, JSON]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Sensors in the order the detector takes them."""
        return tuple(column.name for column in self.columns)

    def detect(self, rows: Floats, limit: float, context: Floats | None = None) -> Detection:
        """Score rows against a limit."""
        return self.scorer.detect(rows, limit, context)
