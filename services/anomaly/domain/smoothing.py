"""Over how many rows a head looks at residuals: one mean, or several lengths at once."""

from dataclasses import dataclass
from typing import Self

# Each three times the one before: a fault is never far from a length that suits it.
_LENGTHS = (1, 3, 9, 27, 81)
# A mean is used where the training rows hold this many of its length: fewer do not show how it varies.
_LEAST_MEANS = 14
# The highest score is held for a third of the longest mean, but not for longer than this: it ends the flicker of labels
# at the limit, and delays the end of every alarm.
_MOST_HELD_ROWS = 9


@dataclass(frozen=True, slots=True)
class Smoothing:
    """What a score is made of.

    Parameters
    ----------
    means
        Rows in each causal mean of the residuals.
    spread_rows
        Rows over which the distance of single rows is averaged as well: a sensor that swings or shakes more than it
        should averages out in every mean, but not there. 0 leaves that out.
    hold_rows
        Rows for which the highest score counts; 1 holds none.
    """

    means: tuple[int, ...]
    spread_rows: int = 0
    hold_rows: int = 1

    @classmethod
    def suited(cls, training_rows: int) -> Self:
        """Several means: short ones see a sudden fault at once, long ones see a small one.

        Examples
        --------
        >>> Smoothing.suited(400)
        Smoothing(means=(1, 3, 9, 27), spread_rows=27, hold_rows=9)
        """
        means = tuple(length for length in _LENGTHS if length == 1 or length * _LEAST_MEANS <= training_rows)
        return cls(means, means[-1] if len(means) > 1 else 0, min(max(means[-1] // 3, 1), _MOST_HELD_ROWS))

    @property
    def rows(self) -> int:
        """Rows of residuals that one score looks at."""
        return max(self.spread_rows, *self.means) + self.hold_rows - 1
