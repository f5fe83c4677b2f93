"""Settings of the detectors that train without torch."""

from dataclasses import dataclass
from typing import ClassVar

from services.anomaly.domain.options.declare import number, whole
from services.anomaly.domain.options.kinds import DetectorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class MahalanobisOptions:
    """Mahalanobis distance of causally smoothed rows.

    Parameters
    ----------
    smoothing_rows
        Rows in the causal mean.
    eigenvalue_floor
        Smallest believed eigenvalue of the correlation matrix.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.MAHALANOBIS
    window_rows: ClassVar[int] = 1
    smoothing_rows: int = whole(30, 1, 10_000)
    eigenvalue_floor: float = number(0.1, 1e-9, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PcaOptions:
    """T² and SPE of the principal components of causally smoothed rows.

    Parameters
    ----------
    smoothing_rows
        Rows in the causal mean.
    variance
        Share of the variance that the kept components explain.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.PCA
    window_rows: ClassVar[int] = 1
    smoothing_rows: int = whole(30, 1, 10_000)
    variance: float = number(0.9, 0.01, 0.999999)
