"""Settings that every network shares."""

from dataclasses import dataclass, field
from typing import ClassVar

from services.anomaly.domain.options.declare import number, whole, whole_or_auto
from services.anomaly.domain.options.kinds import DetectorKind, HeadKind
from services.anomaly.domain.options.preparation import PreparedOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions(PreparedOptions):
    """What every network shares: its head and its training.

    Parameters
    ----------
    head
        Mahalanobis distance of causally smoothed residuals, or the family's own raw error.
    smoothing_rows, eigenvalue_floor
        Of the Mahalanobis head; by default it puts means of 1, 3, 9, 27 and 81 rows together, as
        far as the training rows allow.
    epochs, learning_rate, batch_size
        Of Adam; training stops earlier when the stop block no longer improves.
    steps_per_epoch
        Batches in an epoch; by default one pass over the windows, but at most 500.
    patience_epochs
        Epochs without improvement before training stops.
    seed
        The same seed, rows and machine give the same detector.
    """

    kind: ClassVar[DetectorKind]
    head: HeadKind = field(default=HeadKind.MAHALANOBIS, metadata={"choices": HeadKind})
    smoothing_rows: int | None = whole_or_auto(1, 10_000)
    eigenvalue_floor: float = number(1e-3, 1e-9, 1.0)
    epochs: int = whole(50, 1, 10_000)
    learning_rate: float = number(1e-3, 1e-7, 1.0)
    batch_size: int = whole(64, 1, 65_536)
    steps_per_epoch: int | None = whole_or_auto(1, 1_000_000)
    patience_epochs: int = whole(10, 1, 10_000)
    seed: int = whole(0, 0, 2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowNetworkOptions(NetworkOptions):
    """A network of single rows."""

    window_rows: ClassVar[int] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowNetworkOptions(NetworkOptions):
    """A network of windows.

    Parameters
    ----------
    window_rows
        Rows in a window; `auto` makes that one period of the plant, where it has one.
    fault_rows, max_delay_rows
        Rows that the shortest fault lasts, and after which a fault must be seen at the latest: the window that `auto`
        chooses is no longer. Either asks for `auto`.
    """

    window_rows: int = whole(50, 2, 1000)
    fault_rows: int | None = whole_or_auto(1, 10_000)
    max_delay_rows: int | None = whole_or_auto(1, 10_000)
