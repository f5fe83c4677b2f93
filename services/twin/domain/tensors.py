"""Named arrays of the Open Inference Protocol, and the rows that they hold together.

References
----------
.. [1] Open Inference Protocol, version 2: https://github.com/open-inference/open-inference-protocol
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.twin.domain.features import Columns, Matrix
from shared.errors import AppError, Kind

Array = NDArray[np.float64]

# The name of the one tensor that holds every feature as a column.
ROWS = "rows"


class TensorInvalid(AppError):
    """A tensor is not what this server takes, or not what its own header says."""

    kind, code = Kind.INVALID, "twin.tensor_invalid"

    def __init__(self, message: str, *, tensor: str | None = None) -> None:
        super().__init__(message, tensor=tensor)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named array of numbers in its own shape."""

    name: str
    values: Array


def rows_of(tensors: Sequence[Tensor]) -> Matrix | Columns:
    """The rows in a request's tensors: one `rows` of `(n, f)`, or for each feature one of `(n,)` or `(n, 1)`.

    Raises
    ------
    TensorInvalid
        If they are neither, differ in length, hold no row, or one comes twice.
    """
    if not tensors:
        raise TensorInvalid("the request holds no tensor")
    if len(tensors) == 1 and tensors[0].name == ROWS and tensors[0].values.ndim == 2:
        return _some_rows(tensors[0].values)
    columns: dict[str, Array] = {}
    for tensor in tensors:
        shape = tensor.values.shape
        if len(shape) not in {1, 2} or shape[1:] not in {(), (1,)}:
            raise TensorInvalid(
                f"{tensor.name!r} has the shape {list(shape)}; send one tensor {ROWS!r} of [n, features], or one of "
                f"[n] for each feature",
                tensor=tensor.name,
            )
        if tensor.name in columns:
            raise TensorInvalid(f"{tensor.name!r} comes twice", tensor=tensor.name)
        columns[tensor.name] = tensor.values.reshape(-1)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise TensorInvalid(f"the tensors differ in their number of rows: {lengths}")
    _some_rows(tensors[0].values)
    return Columns(columns)


def _some_rows(values: Array) -> Array:
    if not len(values):
        raise TensorInvalid("the tensors hold no row")
    return values
