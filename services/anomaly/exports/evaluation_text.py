"""An evaluation in words and columns, the same for a terminal and for a page."""

from collections.abc import Iterator, Sequence
from math import isfinite

from services.anomaly.domain.evaluation_change_points import WINDOW_S, Profile
from services.anomaly.domain.evaluation_trial import ALL_ONES, COUNTS_ROWS, TRUTH, Evaluation, JudgedFile, LateStart
from services.anomaly.domain.evaluation_verdict import Verdict
from services.anomaly.exports.page import NOTHING, shown

HEAD = (
    "", "F1", "precision", "recall", "FAR %", "MAR %", "AUC-ROC", "AUC-PR", "VUS-PR", "faults", "delay", "false/day",
)  # fmt: skip
FILE_HEAD = ("file", "F1", "FAR %", "MAR %", "AUC-ROC", "AUC-PR", "VUS-PR", "faults", "delay", "false alarms")
# Percentage points by which the rates of a rule that counts rows move, and those of a detector hardly do.
_SUSPICIOUS_POINTS = 5.0


def evaluation_text(evaluation: Evaluation) -> str:
    """Everything that is printed."""
    return "\n".join(_lines(evaluation))


def _lines(evaluation: Evaluation) -> Iterator[str]:
    rows = evaluation.verdict.rows
    anomalous = rows.true_positives + rows.false_negatives
    judged = anomalous + rows.false_positives + rows.true_negatives
    share = anomalous / max(judged, 1)
    yield f"{files_text(evaluation)}, {judged:,.0f} rows, {share:.1%} anomalous; rows pooled, no point adjustment."
    if evaluation.unscored:
        yield f"{evaluation.unscored:,} of them have no score and count as no alarm."
    yield from columns([HEAD, *(line_cells(name, verdict) for name, verdict in evaluation.lines.items())])
    if len(evaluation.files) > 1:
        lowest = min(evaluation.files, key=lambda one: one.verdict.rows.f1)
        yield (
            f"F1 of a file: mean {evaluation.verdict.f1_macro:.3f}, lowest {lowest.verdict.rows.f1:.3f} "
            f"({lowest.file.name})."
        )
    if text := change_point_text(evaluation.verdict):
        yield text
    if evaluation.late is not None:
        yield f"Start of every file moved by 0 to {evaluation.late.longest} rows:"
        yield from columns([HEAD, *(line_cells(name, verdict) for name, verdict in evaluation.late.lines.items())])
        yield leak_text(evaluation)[0]


def files_text(evaluation: Evaluation) -> str:
    """How many files there are, in words."""
    return "1 file" if len(evaluation.files) == 1 else f"{len(evaluation.files)} files"


def line_cells(name: str, verdict: Verdict) -> tuple[str, ...]:
    """One line of the table of detector and baselines."""
    rows = verdict.rows
    return (
        name,
        *(f"{value:.3f}" for value in (rows.f1, rows.precision, rows.recall)),
        *(f"{100 * value:.1f}" for value in (rows.false_alarm_rate, rows.missed_alarm_rate)),
        *(shown(value) for value in (verdict.auc_roc, verdict.auc_pr, verdict.vus_pr)),
        *_event_cells(verdict),
        NOTHING if verdict.events is None else shown(verdict.events.false_alarms_per_day, ".1f"),
    )


def file_cells(judged: JudgedFile) -> tuple[str, ...]:
    """One line of the table of files."""
    verdict = judged.verdict
    return (
        judged.file.name,
        f"{verdict.rows.f1:.3f}",
        *(f"{100 * value:.1f}" for value in (verdict.rows.false_alarm_rate, verdict.rows.missed_alarm_rate)),
        *(shown(value) for value in (verdict.auc_roc, verdict.auc_pr, verdict.vus_pr)),
        *_event_cells(verdict),
        NOTHING if verdict.events is None else str(verdict.events.false_alarms),
    )


def change_point_text(verdict: Verdict) -> str:
    """How well change points were told; empty where the files do not mark them."""
    changes = verdict.changes
    if changes is None or not isfinite(changes.score(Profile.STANDARD)):
        return ""
    scores = ", ".join(
        f"{name} {changes.score(profile):.1f}"
        for name, profile in (
            ("standard", Profile.STANDARD),
            ("low false alarms", Profile.LOW_FALSE_ALARMS),
            ("low misses", Profile.LOW_MISSES),
        )
    )
    return (
        f"Change points told within {WINDOW_S:.0f} s (NAB score): {scores}; {len(changes.hits)} told, "
        f"{changes.missed} missed, {changes.false_alarms} told where there were none."
    )


def leak_text(evaluation: Evaluation) -> tuple[str, bool]:
    """What the leak check says, and whether it is a reason to worry."""
    if evaluation.late is None:
        return "", False
    points = [100 * change for change in evaluation.late.moved(evaluation.name)]
    margins = [lines[TRUTH].rows.f1 - lines[ALL_ONES].rows.f1 for lines in (evaluation.lines, evaluation.late.lines)]
    moved = (
        f"On the rows scored both times, another start moves FAR by {points[0]:+.1f} and MAR by {points[1]:+.1f} "
        f"points{_rule_text(evaluation.late)}. F1 is no measure of that: the margin of the truth itself over all-ones "
        f"goes from {margins[0]:.3f} to {margins[1]:.3f}."
    )
    suspicious = max(abs(change) for change in points) > _SUSPICIOUS_POINTS
    return (f"WARNING: {moved} The detector may be counting rows." if suspicious else moved), suspicious


def _rule_text(late: LateStart) -> str:
    if COUNTS_ROWS not in late.same_rows:
        return ""
    alarms, misses = (100 * change for change in late.moved(COUNTS_ROWS))
    return f" (a rule that counts rows: {alarms:+.1f} and {misses:+.1f})"


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table for a terminal: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        first, *others = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join((first, *others)).rstrip()


def _event_cells(verdict: Verdict) -> tuple[str, str]:
    events = verdict.events
    if events is None:
        return NOTHING, NOTHING
    known_s = isfinite(events.median_delay_s)
    delay = f"{events.median_delay_s:.0f} s" if known_s else f"{shown(events.median_delay_rows, '.0f')} rows"
    return f"{events.found}/{events.events}", delay if events.delays_rows else NOTHING
