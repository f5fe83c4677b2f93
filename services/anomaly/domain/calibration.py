"""From a fitted model to a detector: its head on the earlier rows, its limit on the later ones."""

from dataclasses import dataclass

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.blocks import Blocks
from services.anomaly.domain.detection import ResidualModel, Scorer, residuals
from services.anomaly.domain.options.kinds import HeadKind
from services.anomaly.domain.options.network import NetworkOptions
from services.anomaly.domain.options.reading import Options
from services.anomaly.domain.options.statistical import MahalanobisOptions, PcaOptions
from services.anomaly.domain.scores import Head, error_head, score
from services.anomaly.domain.statistical import mahalanobis_head, pca_head
from services.anomaly.domain.thresholds import HeldOut, Margin

# Factors for squared scores over the highest held-out one, the same for every plant. On 23 pump runs (SKAB, a detector
# a run, rows pooled) F1 of the Mahalanobis detector is flat from 2 to 4, at 0.82, while false alarms fall from 32 to
# 15 %: 4 is the quiet end. A raw error spreads far more within normal rows, and its maximum is margin enough.
_SMOOTHED_FACTOR = 4.0
_RAW_FACTOR = 1.0


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A model that can score, and the held-out normal scores a limit is set on."""

    scorer: Scorer
    held_out: HeldOut


def default_rule(options: Options) -> Margin:
    """The limit of a detector nobody chose a limit for."""
    raw = isinstance(options, NetworkOptions) and options.head is HeadKind.ERROR
    return Margin(_RAW_FACTOR if raw else _SMOOTHED_FACTOR)


def smoothing_rows(options: Options) -> int:
    """Rows in the causal mean of the detector's head."""
    raw = isinstance(options, NetworkOptions) and options.head is HeadKind.ERROR
    return 1 if raw else options.smoothing_rows


def calibrate(model: ResidualModel, rows: Floats, blocks: Blocks, options: Options) -> Calibrated:
    """Fit the head on the fit and stop blocks and score the limit block.

    Parameters
    ----------
    rows
        `(n, c)` training rows, in time order.
    blocks
        Their division.
    """
    head = _head(residuals(model, rows[: blocks.limit_start]), options)
    scorer = Scorer(model, head)
    held_out = score(scorer.contributions(rows[blocks.limit_start :]))
    return Calibrated(scorer, HeldOut(held_out, scorer.warmup_rows, len(rows)))


def _head(normal: Floats, options: Options) -> Head:
    if isinstance(options, PcaOptions):
        return pca_head(normal, smoothing_rows=options.smoothing_rows, variance=options.variance)
    if isinstance(options, MahalanobisOptions) or options.head is HeadKind.MAHALANOBIS:
        return mahalanobis_head(
            normal, smoothing_rows=options.smoothing_rows, eigenvalue_floor=options.eigenvalue_floor
        )
    return error_head(normal.shape[1])
