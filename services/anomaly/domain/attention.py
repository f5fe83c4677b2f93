"""Which sensors a model looked at for a row, where it is a model that can say so."""

from typing import Protocol, runtime_checkable

import numpy as np

from services.anomaly.domain.arrays import Flags, Floats
from services.anomaly.domain.detection import ResidualModel
from services.anomaly.domain.preparation import Prepared
from services.anomaly.domain.usability import Reason
from services.anomaly.domain.windows import block_windows, windows
from shared.errors import AppError, Kind


class AttentionMissing(AppError):
    """A detector was asked for attention and its kind has none."""

    kind, code = Kind.INVALID, "anomaly.attention_missing"

    def __init__(self, detector_kind: str) -> None:
        super().__init__(f"a detector of kind {detector_kind!r} has no attention to read", detector_kind=detector_kind)


@runtime_checkable
class AttentiveModel(ResidualModel, Protocol):
    """A model that may have attention among the sensors."""

    @property
    def has_attention(self) -> bool: ...

    def attention(self, batch: Floats) -> Floats:
        """`(b, c)` share of the attention that each sensor received, for `(b, window_rows, c)` windows."""
        ...


def has_attention(model: ResidualModel) -> bool:
    """Whether a model can say which sensors it looked at."""
    return isinstance(model, AttentiveModel) and model.has_attention


def attention_of(model: AttentiveModel, prepared: Prepared, wanted: Flags) -> Floats:
    """Attention that each sensor received.

    Parameters
    ----------
    prepared
        Of `n` consecutive rows.
    wanted
        `(n,)`; rows to say it of.

    Returns
    -------
    Floats
        `(n, c)`, not negative and 1 in sum; NaN where it was not wanted, and where the window of a row is not whole.
    """
    last = model.window_rows - 1
    known = wanted & (prepared.after_warm_up(last) == Reason.USABLE)
    rows = np.flatnonzero(known)
    shares = np.full(prepared.rows.shape, np.nan)
    every = windows(prepared.rows, model.window_rows)
    size = block_windows(*every.shape[1:])
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        shares[block] = model.attention(every[block - last])
    return shares
