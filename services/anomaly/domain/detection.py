"""The use case: rows in, scores, labels, severity and contributions out.

Scoring is causal: nothing after a row has any part in its score, so a stream scored row by row and a batch scored
afterwards give the same answer. Scoring changes nothing: no limit and no statistic moves.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.arrays import Floats, Labels
from services.anomaly.domain.episodes import Episode, episodes
from services.anomaly.domain.runs import Runs
from services.anomaly.domain.scores import Head, score
from services.anomaly.domain.severity import SeverityScale
from services.anomaly.domain.usability import Reason
from services.anomaly.domain.windows import block_windows, windows


class ResidualModel(Protocol):
    """What a model cannot explain of the newest row of a window."""

    @property
    def window_rows(self) -> int: ...

    def residuals(self, batch: Floats) -> Floats:
        """`(b, c)` residuals [standard deviations] of `(b, window_rows, c)` windows [units of the sensors]."""
        ...


@dataclass(frozen=True, slots=True)
class Detection:
    """What a detector says of `n` rows of `c` sensors.

    Parameters
    ----------
    scores
        `(n,)`; NaN where there is none.
    labels
        `(n,)`; 1 where the score is above the limit, 0 elsewhere and where there is no score.
    severity
        `(n,)` from 0 to 1; NaN where there is no score.
    contributions
        `(n, c)`, each row adding up to its score; NaN where there is none.
    limit
        The threshold that was applied.
    reasons
        `(n,)` codes of `Reason`: why a row has no score.
    """

    scores: Floats
    labels: Labels
    severity: Floats
    contributions: Floats
    limit: float
    reasons: Labels

    @property
    def usable(self) -> NDArray[np.bool_]:
        """`(n,)`; whether a row has a score."""
        return np.asarray(self.reasons == Reason.USABLE)

    def picked(self, rows: NDArray[np.int64]) -> "Detection":
        """Some rows of it."""
        parts = self.contributions[rows]
        return Detection(
            self.scores[rows], self.labels[rows], self.severity[rows], parts, self.limit, self.reasons[rows]
        )

    def without(self, reasons: Labels) -> "Detection":
        """The same with scores only where `(n,)` other reasons leave any."""
        left_out = reasons != Reason.USABLE
        scores, severities, parts = self.scores.copy(), self.severity.copy(), self.contributions.copy()
        scores[left_out], severities[left_out], parts[left_out] = np.nan, np.nan, np.nan
        return Detection(scores, np.where(left_out, np.int8(0), self.labels), severities, parts, self.limit, reasons)

    def episodes(self) -> tuple[Episode, ...]:
        """Runs of anomalous rows."""
        return episodes(self.labels, self.scores)


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model, its head, and what its scores mean."""

    model: ResidualModel
    head: Head
    severity: SeverityScale = field(default_factory=SeverityScale)

    @property
    def warmup_rows(self) -> int:
        """Rows before a row that its score depends on."""
        return self.model.window_rows + self.head.smoothing_rows - 2

    def contributions(self, rows: Floats) -> Floats:
        """`(max(n - warmup_rows, 0), c)` contributions of `(n, c)` consecutive rows."""
        return self.head.contributions(residuals(self.model, rows))

    def detect(self, rows: Floats, limit: float, context: Floats | None = None) -> Detection:
        """Score `(n, c)` rows; `context` are the rows just before them, scored no more but looked back on."""
        before = rows[:0] if context is None else context[max(len(context) - self.warmup_rows, 0) :]
        contributions = self.contributions(np.concatenate((before, rows)))
        known = len(contributions)
        parts = np.full(rows.shape, np.nan)
        parts[len(rows) - known :] = contributions
        scores = score(parts)
        labels = (scores > limit).astype(np.int8)
        reasons = np.full(len(rows), Reason.USABLE, np.int8)
        reasons[: len(rows) - known] = Reason.WARM_UP
        return Detection(scores, labels, self.severity.of(scores, limit), parts, limit, reasons)


def residual_runs(model: ResidualModel, runs: Runs) -> Runs:
    """Residuals of every full window that holds no break."""
    return runs.reduced(residuals(model, runs.rows), model.window_rows)


def residuals(model: ResidualModel, rows: Floats) -> Floats:
    """`(max(n - window_rows + 1, 0), c)` residuals of every full window of `(n, c)` rows."""
    every = windows(rows, model.window_rows)
    if len(every) == 0:
        return np.empty((0, rows.shape[1]))
    block = block_windows(*every.shape[1:])
    return np.concatenate([model.residuals(every[i : i + block]) for i in range(0, len(every), block)])
