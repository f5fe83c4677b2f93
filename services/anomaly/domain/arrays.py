"""Names for the arrays that travel through the detectors."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int8]
# Microseconds since 1970 in UTC.
Times: TypeAlias = NDArray[np.int64]
# One truth a row, or a row and sensor.
Flags: TypeAlias = NDArray[np.bool_]
