"""Scores: named levels, compared first level first, exact whatever the weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import total_ordering


def exact_decimal(units: int, decimals: int) -> Decimal:
    """Return `units * 10**-decimals` without rounding and without trailing zeros.

    Examples
    --------
    >>> exact_decimal(-12345, 3), exact_decimal(-900, 2)
    (Decimal('-12.345'), Decimal('-9'))
    """
    while decimals > 0 and units % 10 == 0:
        units //= 10
        decimals -= 1
    digits = tuple(int(digit) for digit in str(abs(units)))
    return Decimal((int(units < 0), digits, -decimals))


def json_number(units: int, decimals: int) -> int | float:
    """Return the number as JSON carries it: an integer where it is one."""
    value = exact_decimal(units, decimals)
    return int(value) if value == value.to_integral_value() else float(value)


@total_ordering
@dataclass(frozen=True, slots=True)
class Score:
    """Points of a plan by level; 0 is best, every broken rule subtracts.

    Parameters
    ----------
    levels
        Names of the levels, the one that counts first in front.
    units
        Points of each level as integers [10**-decimals points].
    decimals
        Decimal places the integers stand for.

    Examples
    --------
    >>> Score(("hard", "soft"), (0, -500), 2) > Score(("hard", "soft"), (-100, 0), 2)
    True
    >>> str(Score(("hard", "soft"), (0, -100_50), 2))
    '0hard/-100.5soft'
    """

    levels: tuple[str, ...]
    units: tuple[int, ...]
    decimals: int

    @classmethod
    def zero(cls, levels: Sequence[str], decimals: int) -> "Score":
        """Return the score of a plan that breaks no rule."""
        return cls(tuple(levels), (0,) * len(levels), decimals)

    def points(self, level: str) -> Decimal:
        """Return the points of one level."""
        return exact_decimal(self.units[self.levels.index(level)], self.decimals)

    def as_numbers(self) -> dict[str, int | float]:
        """Return the points by level as JSON numbers."""
        return {level: json_number(units, self.decimals) for level, units in zip(self.levels, self.units, strict=True)}

    def __lt__(self, other: "Score") -> bool:
        # Scores of one problem share levels and decimals; comparing any others would mean nothing.
        return self.units < other.units

    def __str__(self) -> str:
        return "/".join(f"{self.points(level)}{level}" for level in self.levels)
