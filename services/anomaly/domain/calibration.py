"""From a fitted model to a detector: its head, and the scores of later rows that its limit is set on."""

from dataclasses import dataclass, replace

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.blocks import Blocks
from services.anomaly.domain.detection import ResidualModel, Scorer, residual_runs
from services.anomaly.domain.held_out import HeldOut
from services.anomaly.domain.options.kinds import HeadKind
from services.anomaly.domain.options.network import NetworkOptions
from services.anomaly.domain.options.reading import Options
from services.anomaly.domain.options.statistical import IsolationForestOptions, PcaOptions
from services.anomaly.domain.runs import Runs
from services.anomaly.domain.scores import Head, error_head, score
from services.anomaly.domain.severity import SeverityScale
from services.anomaly.domain.smoothing import Smoothing
from services.anomaly.domain.statistical import mahalanobis_head, pca_head
from services.anomaly.domain.thresholds import Margin
from services.anomaly.domain.wandering import wander_allowance

# On 23 pump runs (SKAB) the factor with the best F1 on any 22 of them, of 1 to 4.
_FOREST_FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A model that can score, and the held-out normal scores a limit is set on.

    Parameters
    ----------
    contributions
        `(m, c)` of the held-out rows; their sums are the held-out scores.
    """

    scorer: Scorer
    held_out: HeldOut
    contributions: Floats


def default_rule(options: Options) -> Margin:
    """The limit of a detector nobody chose a limit for."""
    if isinstance(options, IsolationForestOptions):
        return Margin(_FOREST_FACTOR)
    # A raw error spreads far within normal rows: its highest held-out value is margin enough.
    return Margin(1.0 if _scores_itself(options) else None)


def smoothing_rows(options: Options, rows: int) -> int:
    """Rows of residuals that one score of the detector looks at, trained on so many rows."""
    return _smoothing(options, rows).rows


def calibrate(model: ResidualModel, runs: Runs, blocks: Blocks, options: Options) -> Calibrated:
    """Fit the head on all rows; the scores that set the limit come from one fitted on the fit and stop blocks.

    The two heads differ by the rows of the limit block alone. The one that serves knows more normal rows, so later
    normal rows score no higher with it, and the plant as it was last is part of its centre.

    Parameters
    ----------
    runs
        `(n, c)` training rows, in time order.
    blocks
        Their division.
    """
    smoothing = _smoothing(options, blocks.rows)
    every = residual_runs(model, runs)
    scorer = Scorer(model, _head(every, options, smoothing))
    # Asked once and divided: a residual may be the end of a search that takes long.
    first_rows = runs.whole_windows(model.window_rows)
    earlier_end = int(np.searchsorted(first_rows, blocks.limit_start - model.window_rows, side="right"))
    held_out_start = int(np.searchsorted(first_rows, blocks.limit_start))
    earlier = _head(every.part(0, earlier_end), options, smoothing)
    held_out_residuals = every.part(held_out_start, len(every))
    parts = earlier.contributions(held_out_residuals.rows)
    contributions = held_out_residuals.reduced(parts, earlier.smoothing_rows).rows
    allowance = float(wander_allowance(every.rows).mean())
    held_out = HeldOut.measured(
        score(contributions),
        warmup_rows=scorer.warmup_rows,
        training_rows=len(runs),
        allowance=allowance,
        sensors=contributions.shape[1],
    )
    return Calibrated(replace(scorer, severity=SeverityScale.calibrated(held_out)), held_out, contributions)


def _scores_itself(options: Options) -> bool:
    """Whether the score is the family's own and no distance of residuals."""
    if isinstance(options, NetworkOptions):
        return options.head is HeadKind.ERROR
    return isinstance(options, IsolationForestOptions)


def _smoothing(options: Options, rows: int) -> Smoothing:
    if isinstance(options, IsolationForestOptions) or _scores_itself(options):
        return Smoothing((1,))
    return Smoothing.suited(rows) if options.smoothing_rows is None else Smoothing((options.smoothing_rows,))


def _head(normal: Runs, options: Options, smoothing: Smoothing) -> Head:
    if isinstance(options, IsolationForestOptions) or _scores_itself(options):
        return error_head(normal.rows.shape[1])
    if isinstance(options, PcaOptions):
        return pca_head(normal, smoothing=smoothing, variance=options.variance)
    return mahalanobis_head(normal, smoothing=smoothing, eigenvalue_floor=options.eigenvalue_floor)
