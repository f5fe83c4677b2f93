"""The curves behind the areas, thinned to what a plot can show."""

from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels
from services.anomaly.domain.evaluation import calls_by_limit
from shared.errors import JSON

CURVE_POINTS = 200


@dataclass(frozen=True, slots=True)
class Curve:
    """Points from the strictest limit to the laxest; `x` and `y` have one length."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def to_json(self) -> dict[str, JSON]:
        """The points as plain values."""
        return {"x": list(self.x), "y": list(self.y)}


def roc_curve(truth: Labels, scores: Floats, *, most: int = CURVE_POINTS) -> Curve:
    """Share of the anomalous rows that are called over share of the normal rows that are, from (0, 0) to (1, 1).

    Parameters
    ----------
    truth
        `(n,)`; both classes occur.
    scores
        `(n,)`, every one a number.
    most
        Points at most, at least 2.

    Examples
    --------
    >>> roc_curve(np.array([0, 0, 1, 1], np.int8), np.array([0.1, 0.4, 0.35, 0.8]))
    Curve(x=(0.0, 0.0, 0.5, 0.5, 1.0), y=(0.0, 0.5, 0.5, 1.0, 1.0))
    """
    hits, called = calls_by_limit(truth, scores)
    hits, called = np.concatenate(([0], hits)), np.concatenate(([0], called))
    return _thinned((called - hits) / (called[-1] - hits[-1]), hits / hits[-1], most)


def precision_recall_curve(truth: Labels, scores: Floats, *, most: int = CURVE_POINTS) -> Curve:
    """Precision over recall.

    Parameters
    ----------
    truth
        `(n,)`; anomalous rows occur.
    scores
        `(n,)`, every one a number.
    most
        Points at most, at least 2.

    Examples
    --------
    >>> precision_recall_curve(np.array([0, 1, 0, 1], np.int8), np.array([0.1, 0.4, 0.6, 0.8])).x
    (0.5, 0.5, 1.0, 1.0)
    """
    hits, called = calls_by_limit(truth, scores)
    return _thinned(hits / hits[-1], hits / called, most)


def _thinned(x: Floats, y: Floats, most: int) -> Curve:
    kept = np.unique(np.linspace(0, len(x) - 1, most).astype(np.intp))
    return Curve(tuple(x[kept].tolist()), tuple(y[kept].tolist()))
