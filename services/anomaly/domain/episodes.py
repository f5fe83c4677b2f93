"""Runs of anomalous rows: what a person is told about, instead of hundreds of rows."""

from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels


@dataclass(frozen=True, slots=True)
class Episode:
    """Consecutive anomalous rows.

    Parameters
    ----------
    start, end
        First and last anomalous row, both included; positions in the rows that were scored.
    peak
        Row with the highest score.
    peak_score
        Its score.
    """

    start: int
    end: int
    peak: int
    peak_score: float

    @property
    def rows(self) -> int:
        """Number of anomalous rows."""
        return self.end - self.start + 1


def episodes(labels: Labels, scores: Floats) -> tuple[Episode, ...]:
    """Find every run of ones.

    Parameters
    ----------
    labels
        `(n,)` of 0 and 1.
    scores
        `(n,)`; a number wherever the label is 1.

    Examples
    --------
    >>> [(e.start, e.end, e.peak) for e in episodes(np.array([0, 1, 1, 0, 1], np.int8), np.array([0, 3, 5, 0, 4.0]))]
    [(1, 2, 2), (4, 4, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([0], labels, [0]))))
    found = []
    for start, stop in edges.reshape(-1, 2).tolist():
        peak = start + int(np.argmax(scores[start:stop]))
        found.append(Episode(start, stop - 1, peak, float(scores[peak])))
    return tuple(found)
