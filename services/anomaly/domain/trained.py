"""A finished detector as one value: all that a bundle stores and a service needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.blocks import Blocks
from services.anomaly.domain.drift_tally import Reference
from services.anomaly.domain.held_out import HeldOut
from services.anomaly.domain.images import ImageShape
from services.anomaly.domain.isolation_forest import Forest
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.domain.preparation import Preparation
from services.anomaly.domain.report import TrainingReport
from services.anomaly.domain.residual_graph import ExportedNetwork
from services.anomaly.domain.scaling import Scaling
from services.anomaly.domain.scores import Head
from services.anomaly.domain.thresholds import Threshold
from shared.errors import JSON


@dataclass(frozen=True, slots=True)
class Column:
    """A sensor and how it was spread over the training rows [unit of the sensor].

    Parameters
    ----------
    unit
        For people; `None` where nobody said.
    constant
        It did not move while the detector was fitted.
    """

    name: str
    unit: str | None
    minimum: float
    maximum: float
    mean: float
    std: float
    constant: bool


@dataclass(frozen=True, slots=True)
class Trained:
    """A detector that was fitted and calibrated.

    Parameters
    ----------
    kind, reason
        What it is, and why that was chosen where the caller left the choice.
    window_rows
        Rows the model looks at; the head looks back further.
    network
        The network, exported; `None` for a detector without.
    forest
        The trees of an isolation forest.
    image_shape
        Where a row is an image.
    preparation, findings
        What happens to rows before the model sees them, and what was found about them on the way.
    options, blocks, period, report
        What the card says of its making; the period is first and last time of the training rows, where known.
    reference
        What the training rows were like, for a comparison with later ones.
    full_report
        What people look at; too much for the card.
    """

    kind: DetectorKind
    reason: str | None
    columns: tuple[Column, ...]
    window_rows: int
    scaling: Scaling
    network: ExportedNetwork | None
    preparation: Preparation
    findings: Mapping[str, JSON]
    head: Head
    held_out: HeldOut
    threshold: Threshold
    options: Mapping[str, JSON]
    blocks: Blocks
    period: tuple[datetime, datetime] | None
    report: Mapping[str, JSON]
    full_report: TrainingReport
    reference: Reference
    forest: Forest | None = None
    image_shape: ImageShape | None = None


def describe_columns(
    rows: Floats, names: tuple[str, ...], units: Mapping[str, str], scaling: Scaling
) -> tuple[Column, ...]:
    """Describe each sensor of `(n, c)` training rows."""
    low, high, mean, std = rows.min(axis=0), rows.max(axis=0), rows.mean(axis=0), rows.std(axis=0)
    return tuple(
        Column(
            name, units.get(name), float(low[i]), float(high[i]), float(mean[i]), float(std[i]), i in scaling.constant
        )
        for i, name in enumerate(names)
    )
