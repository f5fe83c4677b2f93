"""An evaluation as one HTML page: figures beside baselines, curves, and what was said of every file when."""

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels
from services.anomaly.domain.curves import Curve, precision_recall_curve, roc_curve
from services.anomaly.domain.evaluation import Confusion
from services.anomaly.domain.evaluation_events import runs
from services.anomaly.domain.evaluation_trial import Evaluation, JudgedFile
from services.anomaly.domain.report_map import MAP_POINTS, mapped_values
from services.anomaly.domain.runs import Runs
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.usability import Reason
from services.anomaly.exports.evaluation_text import (
    FILE_HEAD,
    HEAD,
    change_point_text,
    file_cells,
    files_text,
    leak_text,
    line_cells,
)
from services.anomaly.exports.heat_map import NAMES_PX, WIDTH_PX, heat_map
from services.anomaly.exports.page import figure, page, paragraph, table
from services.anomaly.exports.plot import ANOMALOUS, LIMIT, NORMAL, OTHER, Axis, Plot
from services.anomaly.exports.training_page import judged_map, map_caption, training_sections

# A page with more is slow to open; the table has them all.
_MOST_DRAWN = 24
# Scores span many decades; below this share of the limit nothing is of interest.
_LEAST_SHARE = 1e-3
_BARS = 50


def evaluation_page(evaluation: Evaluation, columns: Sequence[str], *, maps: Sequence[str] = ()) -> str:
    """The page.

    Parameters
    ----------
    columns
        Names of the sensors.
    maps
        Sections about the detector itself, safe HTML, put at the end.
    """
    return page(
        f"Evaluation of {evaluation.name}",
        [*_figures(evaluation), *_curves(evaluation), *_files(evaluation, columns), *maps],
    )


def _figures(evaluation: Evaluation) -> Iterator[str]:
    rows = evaluation.verdict.rows
    judged, anomalous = sum(_counts(rows)), rows.true_positives + rows.false_negatives
    yield paragraph(
        f"{files_text(evaluation)}, {judged:,.0f} rows judged one by one, {anomalous / max(judged, 1):.1%} of them "
        "anomalous. Rows of all files are pooled; areas are the mean over the files. No point adjustment: a fault "
        "is not counted as found because one of its rows was."
    )
    if evaluation.unscored:
        yield paragraph(f"{evaluation.unscored:,} rows have no score and count as no alarm.")
    yield table(HEAD, [line_cells(name, verdict) for name, verdict in evaluation.lines.items()], chosen=evaluation.name)
    if text := change_point_text(evaluation.verdict):
        yield paragraph(text)
    if evaluation.late is not None:
        yield "<h2>The same with another start of every file</h2>"
        lines = evaluation.late.lines.items()
        yield table(HEAD, [line_cells(name, verdict) for name, verdict in lines], chosen=evaluation.name)
        text, suspicious = leak_text(evaluation)
        yield paragraph(text, style="warning" if suspicious else "")
    yield "<h2>Rows by what they were and what they were called</h2>"
    yield table(
        ["", "called anomalous", "called normal"],
        [
            ["anomalous", f"{rows.true_positives:,.0f}", f"{rows.false_negatives:,.0f}"],
            ["normal", f"{rows.false_positives:,.0f}", f"{rows.true_negatives:,.0f}"],
        ],
    )


def _curves(evaluation: Evaluation) -> Iterator[str]:
    truth = np.concatenate([judged.file.truth for judged in evaluation.files])
    shares = np.concatenate([_shares(judged) for judged in evaluation.files])
    scored = np.isfinite(shares)
    truth, shares = truth[scored], shares[scored]
    if not len(shares):
        return
    yield "<h2>Scores</h2>"
    yield figure(
        _distributions(truth, shares),
        "Scores as a multiple of the limit of their file.",
    )
    if len(np.unique(truth)) < 2:
        return
    rows = evaluation.verdict.rows
    yield '<div class="row">'
    roc = Plot(Axis(0.0, 1.0, "false alarms (share of normal rows)"), Axis(0.0, 1.0, "found (share)"), "ROC curve")
    roc.line([0.0, 1.0], [0.0, 1.0], OTHER, "by chance", dashed=True)
    _curve(roc, roc_curve(truth, shares), rows.false_alarm_rate, rows.recall)
    yield figure(roc.svg(), "Every limit there could be, as a multiple of each file's own.")
    precise = Plot(Axis(0.0, 1.0, "found (share)"), Axis(0.0, 1.0, "right alarms (share)"), "precision over recall")
    precise.line([0.0, 1.0], [truth.mean()] * 2, OTHER, "by chance", dashed=True)
    _curve(precise, precision_recall_curve(truth, shares), rows.recall, rows.precision)
    yield figure(precise.svg(), "The dot is the limit that was used.")
    yield "</div>"


def _curve(plot: Plot, curve: Curve, x: float, y: float) -> None:
    plot.line(curve.x, curve.y, NORMAL, "detector")
    plot.points([x], [y], LIMIT, "its limit")


def _distributions(truth: Labels, shares: Floats) -> str:
    logs = _logs(shares)
    edges = np.linspace(float(logs.min()), max(float(logs.max()), float(logs.min()) + 1e-6), _BARS + 1)
    heights = {which: np.histogram(logs[truth == which], edges)[0] / max((truth == which).sum(), 1) for which in (0, 1)}
    plot = Plot(
        Axis.around([*edges[[0, -1]], 0.0], "score / limit", powers=True),
        Axis(0.0, 1.08 * max(*heights[0], *heights[1], 1e-6), "share of such rows"),
        "distribution of scores",
        760,
        320,
    )
    plot.bars(edges, heights[0], NORMAL, "normal rows")
    plot.bars(edges, heights[1], ANOMALOUS, "anomalous rows")
    plot.upright(0.0, LIMIT, "limit")
    return plot.svg()


def _files(evaluation: Evaluation, columns: Sequence[str]) -> Iterator[str]:
    yield "<h2>File by file</h2>"
    yield table(FILE_HEAD, [file_cells(judged) for judged in evaluation.files])
    if len(evaluation.files) > _MOST_DRAWN:
        yield paragraph(f"The first {_MOST_DRAWN} are drawn.", style="note")
    for judged in evaluation.files[:_MOST_DRAWN]:
        yield f"<h3>{escape(judged.file.name)}</h3>"
        yield figure(
            _over_time(judged)
            + heat_map(columns, judged.detection.contributions, judged.detection.limit, "contribution of each sensor"),
            "Score as a multiple of the limit, and below it what each sensor contributed: full colour would be an "
            "alarm by itself.",
        )


def _over_time(judged: JudgedFile) -> str:
    logs = _logs(_shares(judged))
    rows = len(logs)
    plot = Plot(
        Axis(0.0, max(rows, 1), "row"),
        Axis.around([*logs[np.isfinite(logs)], -0.3, 0.3], "score / limit", powers=True),
        f"score over time of {judged.file.name}",
        WIDTH_PX,
        230,
        NAMES_PX,
    )
    for start, stop in runs(judged.file.truth):
        plot.band(start, stop, ANOMALOUS, "anomalous")
    for start, stop in runs(judged.detection.labels):
        plot.rug(start, stop, LIMIT, "alarm")
    plot.line(np.arange(rows) + 0.5, logs, NORMAL, "score")
    plot.across(0.0, LIMIT, "limit")
    return plot.svg()


def _shares(judged: JudgedFile) -> Floats:
    return np.asarray(judged.detection.scores / max(judged.detection.limit, float(np.finfo(np.float64).tiny)))


def _logs(shares: Floats) -> Floats:
    # The logarithm of nothing is of no use on a plot.
    return np.asarray(np.log10(np.maximum(shares, _LEAST_SHARE)))


def _counts(rows: Confusion) -> tuple[float, float, float, float]:
    return rows.true_positives, rows.false_positives, rows.false_negatives, rows.true_negatives


def detector_sections(served: ServedDetector, judged: JudgedFile) -> Iterator[str]:
    """The detector itself, and where the rows of one file come to lie on its map."""
    report = served.report
    if report is None:
        return
    if report.map is not None:
        prepared = served.preparation.apply(judged.file.rows, judged.file.times)
        usable = np.flatnonzero(prepared.reasons == Reason.USABLE)
        starts = np.flatnonzero(prepared.starts[usable])
        _, values, sample = mapped_values(
            served.scorer, Runs(prepared.rows[usable], starts[starts > 0]), most=MAP_POINTS
        )
        if len(sample):
            yield "<h2>Map of judged rows</h2>"
            drawn = judged_map(report.map, report.map.place(values), judged.file.truth[usable[sample]])
            yield figure(drawn, f"Rows of {judged.file.name} among the training rows. {map_caption(report.map)}")
    yield from training_sections(report)
