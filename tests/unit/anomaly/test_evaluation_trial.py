import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from services.anomaly.domain.detection import Detection
from services.anomaly.domain.evaluation_baselines import late_start_rows, mean_deviation, random_rows, usual_rows
from services.anomaly.domain.evaluation_trial import (
    ALL_ONES,
    COUNTS_ROWS,
    NO_MODEL,
    RANDOM,
    TRUTH,
    Contestant,
    Evaluation,
    evaluate,
)
from services.anomaly.domain.evaluation_verdict import LabelledRows, judge, pool
from services.anomaly.exports.evaluation_page import evaluation_page
from services.anomaly.exports.evaluation_text import evaluation_text, leak_text

ROWS, FAULT = 300, (150, 220)


def recording(name: str, fault: tuple[int, int] = FAULT, shift: float = 6.0) -> LabelledRows:
    """Three sensors; a fault moves the first."""
    rng = np.random.default_rng(len(name) * 1000 + ord(name[-1]))
    rows = rng.normal(size=(ROWS, 3))
    truth = np.zeros(ROWS, np.int8)
    truth[slice(*fault)] = 1
    rows[truth == 1, 0] += shift
    times = 1_000_000 * np.arange(ROWS)
    return LabelledRows(name, rows, truth, np.abs(np.diff(truth, prepend=0)), times, rows[:0], None)


def found(scores: np.ndarray, limit: float) -> Detection:
    labels = (scores > limit).astype(np.int8)
    return Detection(scores, labels, np.zeros(len(scores)), scores[:, None], limit, np.zeros(len(scores), np.int8))


def looks_at_the_sensor(file: LabelledRows) -> Detection:
    return found(np.abs(file.rows[:, 0]), 3.0)


def counts_rows(file: LabelledRows) -> Detection:
    row = np.arange(len(file.rows))
    return found(((row >= FAULT[0]) & (row < FAULT[1])).astype(float), 0.5)


FILES = [recording(name) for name in ("runs/a", "runs/b", "runs/c", "runs/d")]


def evaluated(
    detect: Callable[[LabelledRows], Detection] = looks_at_the_sensor,
    files: Sequence[LabelledRows] = FILES,
    late_start: int = 100,
) -> Evaluation:
    contestant = Contestant(detect, np.zeros(3), np.ones(3))
    return evaluate("mine", files, [contestant] * len(files), late_start=late_start)


def test_baselines_stand_beside_the_detector():
    lines = evaluated().lines
    assert list(lines) == ["mine", ALL_ONES, RANDOM, NO_MODEL, COUNTS_ROWS, TRUTH]
    prevalence = 70 / 300
    assert lines[ALL_ONES].rows.f1 == pytest.approx(2 * prevalence / (1 + prevalence))
    assert (lines[TRUTH].rows.f1, lines[TRUTH].auc_pr, lines[TRUTH].vus_pr) == (1.0, 1.0, 1.0)
    assert lines[COUNTS_ROWS].rows.f1 == 1.0
    assert lines["mine"].rows.f1 > 0.95 > lines[NO_MODEL].rows.f1 > lines[RANDOM].rows.f1


def test_baselines_raise_as_many_alarms_as_the_detector():
    lines = evaluated().lines
    alarms = lines["mine"].rows.true_positives + lines["mine"].rows.false_positives
    for name in (RANDOM, NO_MODEL):
        assert lines[name].rows.true_positives + lines[name].rows.false_positives == pytest.approx(alarms)


def test_rows_drawn_at_random_are_told_by_their_exact_mean():
    file = recording("x")
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(2000):
        labels = np.zeros(ROWS, np.int8)
        labels[rng.choice(ROWS, 90, replace=False)] = 1
        drawn.append(judge(file, labels, None).rows.f1)
    assert random_rows(file, 90).rows.f1 == pytest.approx(np.mean(drawn), abs=0.005)


def test_mean_deviation_needs_nothing_but_means_and_looks_back_only():
    file = recording("x")
    scores = mean_deviation(file, np.zeros(3), np.ones(3))
    assert scores[99] == pytest.approx(np.abs(file.rows[40:100]).sum(axis=1).mean())
    assert scores[9] == pytest.approx(np.abs(file.rows[:10]).sum(axis=1).mean())
    file.rows[200] += 1e6
    np.testing.assert_array_equal(mean_deviation(file, np.zeros(3), np.ones(3))[:200], scores[:200])


def test_mean_deviation_looks_back_on_context_and_leaves_out_a_sensor_that_stood_still():
    file = recording("x")
    whole = mean_deviation(file, np.zeros(3), np.array([1.0, 1.0, 0.0]))
    later = LabelledRows("x", file.rows[100:], file.truth[100:], None, None, file.rows[:100], None)
    np.testing.assert_allclose(mean_deviation(later, np.zeros(3), np.array([1.0, 1.0, 0.0])), whole[100:])


def test_the_rule_that_counts_rows_learns_from_the_other_files_only():
    files = [recording("a", (100, 200)), recording("b", (120, 220)), recording("c", (10, 20))]
    assert usual_rows(files, 2) == (110, 210)
    assert usual_rows(files[:1], 0) is None
    assert COUNTS_ROWS not in evaluated(files=files[:1]).lines


def test_a_detector_that_looks_at_sensors_does_not_mind_when_a_file_begins():
    late = evaluated().late
    assert late is not None
    assert late.moved("mine") == (0.0, 0.0)
    text, suspicious = leak_text(evaluated())
    assert not suspicious
    assert "FAR by +0.0 and MAR by +0.0" in text


def test_a_detector_that_counts_rows_is_caught():
    evaluation = evaluated(counts_rows)
    assert evaluation.verdict.rows.f1 == 1.0
    assert evaluation.late is not None
    alarms, misses = evaluation.late.moved("mine")
    assert alarms > 0.1
    assert misses > 0.3
    text, suspicious = leak_text(evaluation)
    assert suspicious
    assert text.startswith("WARNING")


def test_a_later_start_makes_faults_more_frequent_and_f1_of_all_ones_higher():
    evaluation = evaluated()
    assert evaluation.late is not None
    assert evaluation.late.lines[ALL_ONES].rows.f1 > evaluation.lines[ALL_ONES].rows.f1
    assert evaluation.late.lines[TRUTH].rows.f1 == 1.0


def test_each_file_begins_as_much_later_as_ever():
    assert [late_start_rows(name, 150) for name in ("valve1/0.csv.gz", "other/1.csv.gz")] == [110, 52]
    drawn = {late_start_rows(str(i), 150) for i in range(2000)}
    assert (min(drawn), max(drawn)) == (0, 150)


def test_a_row_without_a_score_is_no_alarm_and_ranks_last():
    file = recording("x", (0, 50))
    scores = np.abs(file.rows[:, 0])
    scores[:20] = np.nan
    verdict = judge(file, (scores > 3.0).astype(np.int8), scores)
    assert verdict.rows.missed_alarm_rate >= 0.4
    assert verdict.auc_roc < 0.7
    told = evaluated(lambda file: found(np.where(np.arange(len(file.rows)) < 9, np.nan, 0.0), 1.0), late_start=0)
    assert told.unscored == 36
    assert told.verdict.auc_roc == pytest.approx(0.5, abs=0.1)


def test_areas_are_means_over_files_that_have_them():
    with_fault, without = recording("x"), recording("y", (0, 0))
    scores = np.abs(with_fault.rows[:, 0])
    labels = (scores > 3).astype(np.int8)
    verdicts = [judge(with_fault, labels, scores), judge(without, labels, scores)]
    assert pool(verdicts).auc_roc == verdicts[0].auc_roc
    assert pool(verdicts).rows == verdicts[0].rows + verdicts[1].rows


def test_change_points_need_their_column_and_times():
    file = recording("x")
    assert judge(file, file.truth, None).changes is not None
    untimed = LabelledRows("x", file.rows, file.truth, file.changed, None, file.rows[:0], None)
    assert judge(untimed, file.truth, None).changes is None


def test_figures_as_plain_values_hold_no_number_that_json_lacks():
    shown = json.loads(json.dumps(evaluated().to_json(), allow_nan=False))
    assert shown["pooled"][ALL_ONES]["auc_roc"] is None
    assert shown["pooled"]["mine"]["nab_standard"] == pytest.approx(100.0, abs=15)
    assert set(shown["files"]) == {file.name for file in FILES}
    assert shown["late_start"]["moved_on_same_rows"]["mine"] == {"false_alarm_rate": 0.0, "missed_alarm_rate": 0.0}
    assert evaluated(late_start=0).to_json()["late_start"] is None


def test_a_page_draws_files_up_to_a_number_and_lists_them_all():
    files = [recording(f"{i:02d} <b>") for i in range(26)]
    page = evaluation_page(evaluated(files=files), ["flow"])
    assert page.count("score over time of") == 24
    assert "The first 24 are drawn." in page
    assert "25 &lt;b&gt;" in page
    assert "<b>" not in page


def test_a_page_of_files_without_faults_has_no_curves():
    page = evaluation_page(evaluated(files=[recording("a", (0, 0)), recording("b", (0, 0))]), ["flow"])
    assert "ROC curve" not in page
    assert "score / limit" in page


def test_a_page_of_files_too_short_for_any_score_has_its_tables():
    page = evaluation_page(evaluated(lambda file: found(np.full(len(file.rows), np.nan), 3.0)), ["flow"])
    assert "1,200 rows have no score and count as no alarm." in page
    assert "ROC curve" not in page


def test_text_names_every_line_and_the_lowest_file():
    text = evaluation_text(evaluated())
    for part in ("mine", ALL_ONES, RANDOM, NO_MODEL, COUNTS_ROWS, TRUTH, "no point adjustment", "lowest", "NAB"):
        assert part in text
    assert max(map(len, text.splitlines()[1:8])) < 140
