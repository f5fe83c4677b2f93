"""What a detector has to beat: rules without a model, with the interface of one."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels
from services.anomaly.domain.evaluation_baselines import MEAN_ROWS
from services.anomaly.domain.windows import causal_mean

# As much of the training rows as a detector fits on before it sets its limit on the rest.
_FIT_SHARE = 0.7


class Judged(Protocol):
    """What is said of rows."""

    @property
    def scores(self) -> Floats: ...

    @property
    def labels(self) -> Labels: ...


class Judge(Protocol):
    """Whatever learns normal rows and judges later ones."""

    def fit(self, rows: Floats) -> object:
        """Learn `(n, c)` normal rows."""
        ...

    def detect(self, rows: Floats, context: Floats) -> Judged:
        """Judge `(n, c)` rows; `context` are those just before."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """Scores and labels of `n` rows."""

    scores: Floats
    labels: Labels


class MeanDeviation:
    """The mean over 60 rows of the sum of |z| over the sensors: no model at all."""

    def fit(self, rows: Floats) -> Self:
        """Take mean and spread of the earlier rows, and the highest score of the later ones as the limit."""
        fit_rows = int(_FIT_SHARE * len(rows))
        self._mean = rows[:fit_rows].mean(axis=0)
        spread = rows[:fit_rows].std(axis=0)
        self._spread = np.where(spread > 0.0, spread, 1.0)
        self._limit = float(self._scores(rows[fit_rows:]).max())
        return self

    def detect(self, rows: Floats, context: Floats) -> Verdict:
        """Judge rows that at least 59 come before."""
        scores = self._scores(np.concatenate((context[len(context) - MEAN_ROWS + 1 :], rows)))
        return Verdict(scores, (scores > self._limit).astype(np.int8))

    def _scores(self, rows: Floats) -> Floats:
        deviation = np.abs((rows - self._mean) / self._spread).sum(axis=1, keepdims=True)
        return causal_mean(deviation, MEAN_ROWS)[:, 0]


class MeanComponents:
    """T² and SPE of all principal components of 10-row means: what a control chart of a process computes."""

    def fit(self, rows: Floats) -> Self:
        """Take the covariance of the smoothed rows; the limit is not used."""
        self._mean, spread = rows.mean(axis=0), rows.std(axis=0)
        self._spread = np.where(spread > 0.0, spread, 1.0)
        smooth = self._smooth(rows)
        self._centre = smooth.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(smooth.T, bias=True))
        kept = values > np.finfo(float).eps * values.max()
        self._whitening = vectors[:, kept] / np.sqrt(values[kept])
        return self

    def detect(self, rows: Floats, context: Floats) -> Verdict:
        """Score rows that at least 9 come before."""
        smooth = self._smooth(np.concatenate((context[len(context) - 9 :], rows)))
        scores = (((smooth - self._centre) @ self._whitening) ** 2).sum(axis=1)
        return Verdict(scores, np.zeros(len(rows), np.int8))

    def _smooth(self, rows: Floats) -> Floats:
        return causal_mean((rows - self._mean) / self._spread, 10)
