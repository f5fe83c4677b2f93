"""What is known of normal scores: those of a block of rows that came later."""

import math
from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.blocks import TooFewRows, rows_for
from services.anomaly.domain.wandering import score_spacing
from shared.errors import JSON

# Share of a held-out block that may be anything. On two servers (SMD) whose training rows hold a few wild ones, the
# plain maximum found none of the faults.
_LEFT_OUT = 0.005


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Scores of later normal rows, by what was fitted on the rows before them.

    Parameters
    ----------
    scores
        `(n,)` in time order.
    warmup_rows
        Rows before a row that its score depends on; as many of the block could not be counted.
    training_rows
        Rows of the whole training set, for messages.
    allowance
        By how much the variance of later normal rows may exceed that of these, on average over the sensors; from 1.
    rows_each
        Rows that are worth one independent score, where the plant is so slow that these are more than `spacing_rows`.
    sensors
        Of which a score is made; `None` where that is not known, and then taken as many.
    """

    scores: Floats
    warmup_rows: int
    training_rows: int
    allowance: float = 1.0
    rows_each: float = 1.0
    sensors: int | None = None

    @classmethod
    def measured(
        cls, scores: Floats, *, warmup_rows: int, training_rows: int, allowance: float, sensors: int
    ) -> "HeldOut":
        """The same, with what the scores themselves show of how slow the plant is."""
        return cls(scores, warmup_rows, training_rows, allowance, score_spacing(scores, warmup_rows + 1), sensors)

    @property
    def spacing_rows(self) -> int:
        """Rows after which two scores share no raw reading, neither in their windows nor in their means."""
        return self.warmup_rows + 1

    @property
    def independent(self) -> int:
        """Number of scores that are worth as many independent ones, at least 1."""
        return max(int(len(self.scores) / max(self.rows_each, self.spacing_rows)), 1)

    @property
    def counted(self) -> Floats:
        """The scores in ascending order, without the highest half percent of a long block.

        A few rows of it that were not normal, of which nobody knew, say nothing of normal ones.
        """
        return np.sort(self.scores)[: len(self.scores) - int(_LEFT_OUT * len(self.scores))]

    @property
    def peaks(self) -> Floats:
        """The highest score of each stretch of `spacing_rows`: peaks that are nearly independent."""
        stretches = len(self.scores) // self.spacing_rows
        if stretches == 0:
            return np.array([self.scores.max()])
        return np.asarray(self.scores[: stretches * self.spacing_rows].reshape(stretches, -1).max(axis=1))

    def at_rank(self, rank: int) -> float:
        """The score that would be number `rank`, counted from the lowest, among the independent ones."""
        position = -(-rank * len(self.scores) // self.independent)
        return float(np.sort(self.scores)[position - 1])

    def require(self, independent: int, what: str) -> None:
        """Refuse a rule that needs more independent scores than there are.

        Raises
        ------
        TooFewRows
            With the number of training rows that would do.
        """
        if self.independent < independent:
            held_out = math.ceil(independent * max(self.rows_each, self.spacing_rows))
            needed = rows_for(held_out_rows=held_out, warmup_rows=self.warmup_rows)
            raise TooFewRows(what, rows=self.training_rows, rows_needed=needed)

    def evidence(self) -> dict[str, JSON]:
        """What every limit set on these scores states."""
        return {
            "held_out_rows": len(self.scores),
            "independent_scores": self.independent,
            "held_out_maximum": float(self.scores.max()),
            "held_out_median": float(np.median(self.scores)),
        }
