"""Settings of the detectors that train without torch."""

from dataclasses import dataclass
from typing import ClassVar

from services.anomaly.domain.options.declare import number, whole, whole_or_auto
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.domain.options.preparation import PreparedOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class MahalanobisOptions(PreparedOptions):
    """Mahalanobis distance of causally smoothed rows.

    Parameters
    ----------
    smoothing_rows
        Rows in the causal mean; by default means of 1, 3, 9, 27 and 81 rows together, as
        far as the training rows allow.
    eigenvalue_floor
        Smallest believed eigenvalue of the correlation matrix.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.MAHALANOBIS
    window_rows: ClassVar[int] = 1
    smoothing_rows: int | None = whole_or_auto(1, 10_000)
    eigenvalue_floor: float = number(1e-3, 1e-9, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PcaOptions(PreparedOptions):
    """T² and SPE of the principal components of causally smoothed rows.

    Parameters
    ----------
    smoothing_rows
        Rows in the causal mean; by default means of 1, 3, 9, 27 and 81 rows together, as
        far as the training rows allow.
    variance
        Share of the variance that the kept components explain.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.PCA
    window_rows: ClassVar[int] = 1
    smoothing_rows: int | None = whole_or_auto(1, 10_000)
    variance: float = number(0.9, 0.01, 0.999999)


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationForestOptions(PreparedOptions):
    """Isolation forest of causally smoothed rows.

    Parameters
    ----------
    smoothing_rows
        Rows in the causal mean.
    trees, rows_per_tree
        How many, and on how many of the rows each is grown; the paper's 100 and 256.
    seed
        The same seed and rows give the same detector.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.ISOLATION_FOREST
    smoothing_rows: int = whole(30, 1, 10_000)
    trees: int = whole(100, 1, 2000)
    rows_per_tree: int = whole(256, 2, 4096)
    seed: int = whole(0, 0, 2**31 - 1)

    @property
    def window_rows(self) -> int:
        """Rows that the model looks at: those it takes the mean of."""
        return self.smoothing_rows
