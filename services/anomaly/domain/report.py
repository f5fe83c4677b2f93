"""What a training leaves behind for people to look at: how it learned, how normal rows score, how they lie on a map.

Kept in the bundle beside the card, which stays short.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.blocks import Blocks
from services.anomaly.domain.report_map import Map
from services.anomaly.domain.scores import score
from shared.errors import JSON

_MOST_BARS = 40
_ROWS_A_BAR = 5
# Digits that a plot can show.
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class LossCurves:
    """Losses by epoch; the detector is the one after `best_epoch`, counted from 1."""

    fit: tuple[float, ...]
    stop: tuple[float, ...]
    best_epoch: int


@dataclass(frozen=True, slots=True)
class HeldOutScores:
    """Scores of later normal rows by what was fitted before them; they set the limit.

    Parameters
    ----------
    rows
        How many there are.
    edges, counts
        A histogram: `(k + 1,)` and `(k,)`.
    highest
        The highest of the scores.
    shares
        `(c,)`: each sensor's part of all scores together; they add up to 1.
    """

    rows: int
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    highest: float
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """Everything a page about a training shows.

    Parameters
    ----------
    limit
        Threshold as trained.
    losses
        None where nothing was learned in epochs.
    map
        None where there were too few rows for one.
    """

    kind: str
    columns: tuple[str, ...]
    limit: float
    losses: LossCurves | None
    held_out: HeldOutScores
    map: Map | None
    blocks: Blocks

    def to_json(self) -> dict[str, JSON]:
        """The report as it is stored and served."""
        return {
            "kind": self.kind,
            "columns": list(self.columns),
            "limit": self.limit,
            "losses": None
            if self.losses is None
            else {"fit": list(self.losses.fit), "stop": list(self.losses.stop), "best_epoch": self.losses.best_epoch},
            "held_out": {
                "rows": self.held_out.rows,
                "edges": list(self.held_out.edges),
                "counts": list(self.held_out.counts),
                "highest": self.held_out.highest,
                "shares": list(self.held_out.shares),
            },
            "latent": self.latent_json(),
            "blocks": {
                "fit_end": self.blocks.fit_end,
                "limit_start": self.blocks.limit_start,
                "first_scored": self.blocks.first_scored,
                "rows": self.blocks.rows,
            },
        }

    def latent_json(self) -> dict[str, JSON] | None:
        """The map alone, with the block of every point."""
        if self.map is None:
            return None
        return {
            "of": self.map.of.value,
            "explained": list(self.map.explained),
            "rows": list(self.map.rows),
            "blocks": [self.block(row) for row in self.map.rows],
            "points": _plain(self.map.points),
            "mean": _plain(self.map.mean),
            "axes": _plain(self.map.axes),
        }

    def block(self, row: int) -> str:
        """What a training row was used for: `fit`, `stop` or `limit`."""
        if row >= self.blocks.limit_start:
            return "limit"
        return "stop" if row >= self.blocks.fit_end else "fit"


def held_out_scores(contributions: Floats) -> HeldOutScores:
    """Describe `(n, c)` contributions of held-out rows; n at least 1.

    Examples
    --------
    >>> held_out_scores(np.array([[1.0, 0.0], [2.0, 1.0]])).shares
    (0.75, 0.25)
    """
    scores = score(contributions)
    counts, edges = np.histogram(scores, bins=max(1, min(_MOST_BARS, len(scores) // _ROWS_A_BAR)))
    total = float(scores.sum())
    parts = (
        contributions.sum(axis=0) / total if total > 0 else np.full(contributions.shape[1], 1 / contributions.shape[1])
    )
    return HeldOutScores(
        len(scores),
        tuple(_rounded(edges)),
        tuple(int(count) for count in counts),
        float(scores.max()),
        tuple(_rounded(parts)),
    )


def loss_curves(training: Mapping[str, JSON]) -> LossCurves | None:
    """The losses that a card states of a training; None where it states none."""
    fit, stop, best = (training.get(name) for name in ("fit_loss", "stop_loss", "best_epoch"))
    if not isinstance(fit, list) or not isinstance(stop, list) or not isinstance(best, int):
        return None
    return LossCurves(
        tuple(value for value in fit if isinstance(value, float)),
        tuple(value for value in stop if isinstance(value, float)),
        best,
    )


def _plain(values: Floats) -> JSON:
    plain: JSON = np.round(values, _DIGITS).tolist()
    return plain


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values.tolist()]
