"""How the rows of a training set are divided, in time order: fit, stop, limit.

A limit taken on the rows a model was fitted on, or on windows that overlap them, alarms on much of what is normal:
the model knows those rows. The limit is therefore set on the last block, and the first rows of that block, whose
windows reach back into earlier ones, are not counted.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import JSON, AppError, Kind

# The last 30 % set the limit. Compared on 23 pump runs of 400 training rows each (SKAB), shares of 20 to 50 % differed
# by less than 0.04 in F1; 30 % is the middle of the flat part.
LIMIT_SHARE = 0.3
# Of the rows before, a fifth decides when training stops.
STOP_SHARE = 0.2
# With fewer rows, that fifth is none.
_LEAST_ROWS_TO_STOP = 7


class TooFewRows(AppError):
    """The training set is too short for what is asked."""

    kind, code = Kind.INVALID, "anomaly.too_few_rows"

    def __init__(self, what: str, *, rows: int, rows_needed: int) -> None:
        super().__init__(f"{what} needs {rows_needed} training rows, {rows} were given", rows=rows, needed=rows_needed)
        self.what = what
        self.rows_needed = rows_needed


@dataclass(frozen=True, slots=True)
class Blocks:
    """Ends of the three consecutive blocks of `rows` rows.

    Parameters
    ----------
    fit_end
        Rows before it fit the scaling, the model and, together with the stop block, the head.
    limit_start
        Rows from `fit_end` to here decide when training stops; none where a model is fitted in one step.
    first_scored
        First row of the limit block whose window lies in the block alone.
    """

    fit_end: int
    limit_start: int
    first_scored: int
    rows: int

    @property
    def held_out_rows(self) -> int:
        """Rows whose scores set the limit."""
        return self.rows - self.first_scored

    def to_json(self) -> Mapping[str, JSON]:
        """The division as the card states it; ranges are first row and the row after the last."""
        return {
            "rows": self.rows,
            "fit": [0, self.fit_end],
            "stop": [self.fit_end, self.limit_start],
            "limit": [self.limit_start, self.rows],
            "limit_scored": [self.first_scored, self.rows],
        }


def divide(rows: int, *, warmup_rows: int, least_scored_rows: int, stops_early: bool) -> Blocks:
    """Divide `rows` rows of training data.

    Parameters
    ----------
    warmup_rows
        Rows before a row that its score depends on.
    least_scored_rows
        Fewest rows of the limit block that must be scored.
    stops_early
        Whether training watches a block of its own.

    Raises
    ------
    TooFewRows
        If the limit block would be too short for the warm-up and these rows, or the stop block empty.

    Examples
    --------
    >>> divide(400, warmup_rows=78, least_scored_rows=30, stops_early=True)
    Blocks(fit_end=224, limit_start=280, first_scored=358, rows=400)
    """
    needed = rows_for(held_out_rows=least_scored_rows, warmup_rows=warmup_rows)
    if stops_early:
        needed = max(needed, _LEAST_ROWS_TO_STOP)
    if rows < needed:
        raise TooFewRows("this detector", rows=rows, rows_needed=needed)
    limit_start = rows - math.floor(rows * LIMIT_SHARE)
    fit_end = limit_start - math.floor(limit_start * STOP_SHARE) if stops_early else limit_start
    return Blocks(fit_end, limit_start, limit_start + warmup_rows, rows)


def rows_for(*, held_out_rows: int, warmup_rows: int) -> int:
    """Training rows that leave this many scored rows in the limit block."""
    return math.ceil((held_out_rows + warmup_rows) / LIMIT_SHARE - 1e-9)
