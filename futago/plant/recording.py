"""What a run of the plant leaves behind."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Recording:
    """Readings of every sensor over time.

    Parameters
    ----------
    columns, units
        Name and unit of each sensor.
    rows
        `(n, f)` readings as the sensors reported them.
    timestamps
        `(n,)` times in UTC, `datetime64[ms]`.
    labels
        `(n,)` 1 where a fault is present, else 0.
    """

    columns: tuple[str, ...]
    units: tuple[str, ...]
    rows: NDArray[np.float64]
    timestamps: NDArray[np.datetime64]
    labels: NDArray[np.int8]

    def column(self, name: str) -> NDArray[np.float64]:
        """The `(n,)` readings of one sensor.

        Raises
        ------
        ValueError
            If there is no sensor of this name.
        """
        return self.rows[:, self.columns.index(name)]

    def timestamps_rfc3339(self) -> list[str]:
        """The times as the API takes them."""
        return [f"{text}Z" for text in np.datetime_as_string(self.timestamps, unit="ms")]
