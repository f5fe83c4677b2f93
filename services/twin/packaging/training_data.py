"""The rows a package is made from, checked once: finite, of one shape, in the order of the features."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.reference import Matrix, Vector


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Rows `(n, f)` and target `(n,)`, finite doubles."""

    rows: Matrix
    target: Vector

    def part(self, indices: NDArray[np.int64]) -> "TrainingData":
        """Some of the rows, in this order."""
        return TrainingData(self.rows[indices], self.target[indices])

    def digest(self) -> str:
        """SHA-256 over shape and values, in hex: tells whether two packages saw the same data."""
        content = hashlib.sha256(f"{self.rows.shape}".encode())
        content.update(np.ascontiguousarray(self.rows, "<f8").tobytes())
        content.update(np.ascontiguousarray(self.target, "<f8").tobytes())
        return content.hexdigest()


def read_data(X: ArrayLike | Any, y: ArrayLike, names: list[str]) -> TrainingData:
    """Turn arrays, lists or a table with named columns into training data.

    Parameters
    ----------
    X
        `(n, f)`. Columns with names, as a data frame has them, must be the features in their order.
    y
        `(n,)` or `(n, 1)`.

    Raises
    ------
    DataUnusable
        If shapes do not fit, columns are in another order, or a value is missing or not finite.
    """
    columns = list(getattr(X, "columns", ()))
    # Columns that are only numbered have no names, as for scikit-learn.
    if any(isinstance(column, str) for column in columns) and columns != names:
        raise DataUnusable("the columns of X must be the features, in the same order", columns=list(map(str, columns)))
    try:
        rows, target = np.asarray(X, np.float64), np.asarray(y, np.float64)
    except (TypeError, ValueError) as error:
        raise DataUnusable(f"X and y must hold numbers: {error}") from error
    if rows.ndim != 2 or rows.shape[1] != len(names) or not len(rows):
        raise DataUnusable(f"X must have {len(names)} columns, one per feature, and at least one row", shape=rows.shape)
    target = target.reshape(len(target), -1) if target.ndim else target
    if target.shape != (len(rows), 1):
        raise DataUnusable("y must hold one number for each row of X", shape=target.shape)
    if not (np.all(np.isfinite(rows)) and np.all(np.isfinite(target))):
        raise DataUnusable("X and y must be finite: a model is fitted on what was measured")
    return TrainingData(rows, target[:, 0])
