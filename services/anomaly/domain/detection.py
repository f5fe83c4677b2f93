"""The use case: rows in, scores, labels, severity and contributions out.

Scoring is causal: nothing after a row has any part in its score, so a stream scored row by row and a batch scored
afterwards give the same answer. Scoring changes nothing: no limit and no statistic moves.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels
from services.anomaly.domain.episodes import Episode, episodes
from services.anomaly.domain.scores import Head, score
from services.anomaly.domain.severity import severity
from services.anomaly.domain.windows import windows

# Windows are copied for the model in blocks: enough to fill its vector units, little enough to stay in the cache.
_BLOCK_WINDOWS = 512


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
        `(n,)`; NaN where too few rows came before.
    labels
        `(n,)`; 1 where the score is above the limit, 0 elsewhere and where there is no score.
    severity
        `(n,)` from 0 to 1; NaN where there is no score.
    contributions
        `(n, c)`, each row adding up to its score; NaN where there is none.
    limit
        The threshold that was applied.
    """

    scores: Floats
    labels: Labels
    severity: Floats
    contributions: Floats
    limit: float

    def episodes(self) -> tuple[Episode, ...]:
        """Runs of anomalous rows."""
        return episodes(self.labels, self.scores)


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model and its head."""

    model: ResidualModel
    head: Head

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
        return Detection(scores, labels, severity(scores, limit), parts, limit)


def residuals(model: ResidualModel, rows: Floats) -> Floats:
    """`(max(n - window_rows + 1, 0), c)` residuals of every full window of `(n, c)` rows."""
    every = windows(rows, model.window_rows)
    if len(every) == 0:
        return np.empty((0, rows.shape[1]))
    return np.concatenate(
        [model.residuals(every[i : i + _BLOCK_WINDOWS]) for i in range(0, len(every), _BLOCK_WINDOWS)]
    )
