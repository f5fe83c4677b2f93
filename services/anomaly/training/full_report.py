"""Gather what a training leaves behind for people to look at."""

from collections.abc import Mapping

from services.anomaly.domain.blocks import Blocks
from services.anomaly.domain.calibration import Calibrated
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.domain.report import TrainingReport, held_out_scores, loss_curves
from services.anomaly.domain.report_map import MAP_POINTS, draw_map, mapped_values
from services.anomaly.domain.runs import Runs
from shared.errors import JSON

# A search for the latent of one window takes hundreds of passes through the network.
_SLOW_MAP_POINTS = 100


def full_report(
    runs: Runs,
    columns: tuple[str, ...],
    kind: DetectorKind,
    *,
    blocks: Blocks,
    calibrated: Calibrated,
    limit: float,
    training: Mapping[str, JSON],
) -> TrainingReport:
    """Describe a finished training.

    Parameters
    ----------
    runs
        Training rows, as the model sees them.
    training
        What the card says of the training of a network.
    """
    return TrainingReport(
        kind.value,
        columns,
        limit,
        loss_curves(training),
        held_out_scores(calibrated.contributions),
        draw_map(*mapped_values(calibrated.scorer, runs, most=MAP_POINTS if kind.realtime else _SLOW_MAP_POINTS)),
        blocks,
    )
