"""Rows that are not all consecutive: nothing is computed across a break."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.windows import causal_mean, windows

Index: TypeAlias = slice | NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Windows:
    """Some of the windows of a table; they are copied when they are looked at, and not before.

    Parameters
    ----------
    every
        `(m, w, c)` view.
    picked
        `(n,)` positions in it.
    """

    every: NDArray[np.float32]
    picked: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.picked)

    def __getitem__(self, index: Index) -> "Windows":
        return Windows(self.every, self.picked[index])

    def __array__(self, dtype: type | None = None, copy: bool | None = None) -> NDArray[np.float32]:  # noqa: FBT001 (numpy's)
        return np.asarray(self.every[self.picked], dtype=dtype)


@dataclass(frozen=True, slots=True)
class Runs:
    """Rows in time order, and where a break lies between two of them.

    Parameters
    ----------
    rows
        `(n, c)`.
    starts
        Positions, ascending and above 0, of the rows that do not follow on the row before.
    """

    rows: Floats
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def unbroken(cls, rows: Floats) -> "Runs":
        """Rows that all follow on one another."""
        return cls(rows, np.empty(0, np.int64))

    def part(self, first: int, end: int) -> "Runs":
        """The rows from `first` up to but without `end`."""
        inside = self.starts[(self.starts > first) & (self.starts < end)]
        return Runs(self.rows[first:end], inside - first)

    def whole_windows(self, length: int) -> NDArray[np.int64]:
        """First rows of the windows of `length` rows that hold no break.

        Examples
        --------
        >>> Runs(np.zeros((6, 1)), np.array([3])).whole_windows(2).tolist()
        [0, 1, 3, 4]
        """
        first = np.arange(max(len(self.rows) - length + 1, 0))
        return np.asarray(first[self._run_of(first) == self._run_of(first + length - 1)])

    def windows(self, values: NDArray[np.float32], length: int) -> Windows:
        """The windows of `length` of these rows that hold no break, over `(n, k)` values of theirs."""
        return Windows(windows(values, length), self.whole_windows(length))

    def reduced(self, values: Floats, length: int) -> "Runs":
        """Rows of which each was made of a window of `length` of these; those made across a break are left out.

        Parameters
        ----------
        values
            `(n - length + 1, k)`, one row for each window.
        """
        if not len(self.starts):
            return Runs(values, self.starts)
        whole = self.whole_windows(length)
        return Runs(values[whole], np.flatnonzero(np.diff(self._run_of(whole))) + 1)

    def causal_mean(self, length: int) -> Floats:
        """`(m, c)` means of each row and the `length - 1` before it, where these are consecutive."""
        return self.reduced(causal_mean(self.rows, length), length).rows

    def _run_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self.starts, positions, side="right")
