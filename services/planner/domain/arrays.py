"""Names for the array types the planning model is written in."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


def frozen_ints(values: object) -> IntArray:
    """Copy `values` to an int64 array that nobody can write to."""
    array = np.array(values, dtype=np.int64)
    array.flags.writeable = False
    return array
