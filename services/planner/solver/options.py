"""How a plan is searched for."""

from dataclasses import dataclass
from typing import Final, Literal

# The source's own setting, for comparison: 80. A longer list takes longer and ends better.
SHORTEST_LIST: Final = 80


@dataclass(frozen=True, slots=True)
class SolveOptions:
    """Settings of a solve.

    Parameters
    ----------
    late_acceptance_size
        Number of past steps a move is compared with; `"auto"` chooses by the size of the problem.
    seed
        Of the random moves.
    """

    late_acceptance_size: int | Literal["auto"] = "auto"
    seed: int = 0
