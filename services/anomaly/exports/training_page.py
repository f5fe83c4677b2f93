"""A training as one HTML page: how it learned, how normal rows score, how they lie on a map."""

from collections.abc import Iterator, Mapping

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels
from services.anomaly.domain.evaluation import Confusion
from services.anomaly.domain.report import LossCurves, TrainingReport
from services.anomaly.domain.report_map import Map, MapOf
from services.anomaly.domain.thresholds import Threshold
from services.anomaly.exports.page import figure, page, paragraph, table
from services.anomaly.exports.plot import ANOMALOUS, LIMIT, NORMAL, OTHER, Axis, Plot, share_bars

_BLOCK_COLOURS = {"fit": NORMAL, "stop": "#e0a030", "limit": "#59a14f"}
_BLOCK_NAMES = {"fit": "fit", "stop": "early stopping", "limit": "limit"}


def training_page(report: TrainingReport, *, title: str, threshold: Threshold | None = None) -> str:
    """The page of one detector.

    Parameters
    ----------
    threshold
        The limit in force, where it was set later; if that was on labelled rows, it knows how they were called.
    """
    return page(title, [*_body(report), *([] if threshold is None else _later_limit(threshold))])


def _later_limit(threshold: Threshold) -> Iterator[str]:
    counts, roc = (threshold.evidence.get(name) for name in ("confusion", "roc"))
    yield "<h2>Limit in force</h2>"
    yield paragraph(f"It was set later, to {threshold.value:.4g}, by the method {threshold.rule['method']}.")
    if not isinstance(counts, Mapping) or not isinstance(roc, Mapping):
        return
    seen = Confusion(**{name: count for name, count in counts.items() if isinstance(count, int | float)})
    yield paragraph("The labelled rows it was chosen on; on other rows it will do less well.")
    yield table(
        ["", "called anomalous", "called normal"],
        [
            ["anomalous", f"{seen.true_positives:,}", f"{seen.false_negatives:,}"],
            ["normal", f"{seen.false_positives:,}", f"{seen.true_negatives:,}"],
        ],
    )
    plot = Plot(Axis(0.0, 1.0, "false alarms (share of normal rows)"), Axis(0.0, 1.0, "found (share)"), "ROC curve")
    plot.line([0.0, 1.0], [0.0, 1.0], OTHER, "by chance", dashed=True)
    plot.line(np.array(roc["x"]), np.array(roc["y"]), NORMAL, "detector")
    plot.points([seen.false_alarm_rate], [seen.recall], LIMIT, "its limit")
    yield figure(plot.svg(), "Every limit there could be.")


def _body(report: TrainingReport) -> Iterator[str]:
    blocks = report.blocks
    yield paragraph(
        f"A detector of kind {report.kind} of {len(report.columns)} sensors, trained on {blocks.rows:,} rows in order "
        f"of time. Its limit, {report.limit:.4g}, was set on the last {report.held_out.rows:,} of them, scored by what "
        "was fitted on the rows before."
    )
    yield from training_sections(report)


def training_sections(report: TrainingReport) -> Iterator[str]:
    """The plots of a training, for a page of their own or as a part of one."""
    if report.losses is not None and len(report.losses.fit) > 1:
        yield "<h2>Loss by epoch</h2>"
        yield figure(_losses(report.losses), "Kept is the network with the lowest loss on a block of later rows.")
    yield '<h2>Normal rows that were held out</h2><div class="row">'
    yield figure(
        _held_out(report),
        f"Scores of {report.held_out.rows:,} normal rows that set the limit; the highest is "
        f"{report.held_out.highest:.4g}.",
    )
    yield figure(
        share_bars(report.columns, report.held_out.shares, "share of each sensor in the held-out scores"),
        "Which sensors those scores come from. A sensor that stands out here may be why the limit is high.",
    )
    yield "</div>"
    if report.map is not None:
        yield "<h2>Map of the training rows</h2>"
        yield figure(training_map(report, report.map), map_caption(report.map))


def map_caption(drawn: Map) -> str:
    """What a map shows, in words."""
    what = "what the network makes of a window inside" if drawn.of is MapOf.LATENT else "the smoothed sensors"
    return (
        f"Each point is a row: the two directions in which {what} vary most ({drawn.explained[0]:.0%} and "
        f"{drawn.explained[1]:.0%} of the variance). Where the last block lies apart from the first, the plant has "
        "moved on during the training rows."
    )


def training_map(report: TrainingReport, drawn: Map) -> str:
    """The training rows by what they were used for."""
    plot = _map_plot(drawn.points)
    used = np.array([report.block(row) for row in drawn.rows])
    for block, colour in _BLOCK_COLOURS.items():
        if (used == block).any():
            _dots(plot, drawn.points[used == block], colour, _BLOCK_NAMES[block])
    return plot.svg()


def judged_map(drawn: Map, points: Floats, anomalous: Labels) -> str:
    """Judged rows, normal and anomalous, on top of the training rows."""
    plot = _map_plot(np.concatenate((drawn.points, points)))
    _dots(plot, drawn.points, "#c9ccd1", "training rows")
    _dots(plot, points[anomalous == 0], NORMAL, "judged, normal")
    _dots(plot, points[anomalous == 1], ANOMALOUS, "judged, anomalous")
    return plot.svg()


def _dots(plot: Plot, points: Floats, colour: str, name: str) -> None:
    plot.points(points[:, 0], points[:, 1], colour, name)


def _map_plot(points: Floats) -> Plot:
    # A few rows far away would press all others into one dot.
    middle, far = np.median(points, axis=0), np.quantile(np.abs(points - np.median(points, axis=0)), 0.98, axis=0)
    near = np.clip(points, middle - 3 * far, middle + 3 * far)
    return Plot(
        Axis.around(near[:, 0], "first direction"), Axis.around(near[:, 1], "second direction"), "map of rows", 760, 440
    )


def _losses(losses: LossCurves) -> str:
    epochs = np.arange(1, len(losses.fit) + 1)
    plot = Plot(
        Axis.around(epochs, "epoch", whole=True),
        Axis.around([*losses.fit, *losses.stop], "loss"),
        "loss by epoch",
        760,
        300,
    )
    plot.line(epochs, losses.fit, OTHER, "fit block")
    plot.line(epochs, losses.stop, NORMAL, "later block")
    if losses.best_epoch:
        plot.upright(losses.best_epoch, LIMIT, f"kept: epoch {losses.best_epoch}")
    return plot.svg()


def _held_out(report: TrainingReport) -> str:
    held_out = report.held_out
    # A limit far above every score would leave the histogram one bar wide; then it stands at the edge.
    highest = min(report.limit, 3.0 * held_out.edges[-1]) if held_out.edges[-1] > 0 else report.limit
    plot = Plot(
        Axis.around([0.0, held_out.edges[-1], highest], "score"),
        Axis(0.0, 1.08 * max(*held_out.counts, 1), "rows"),
        "scores of held-out normal rows",
    )
    plot.bars(held_out.edges, held_out.counts, NORMAL, "normal rows")
    plot.upright(report.limit, LIMIT, f"limit {report.limit:.4g}")
    return plot.svg()
