import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.anomaly.domain.evaluation import auc_pr
from services.anomaly.domain.evaluation_volume import vus_pr


def direct(truth: list[int], scores: list[float], longest: int, thresholds: int) -> float:
    """The definition, row by row and threshold by threshold."""
    n = len(truth)
    faults = [i for i in range(n) if truth[i] and (i == 0 or not truth[i - 1])]
    faults = [(i, next((j for j in range(i, n) if not truth[j]), n) - 1) for i in faults]
    ranked = sorted(scores, reverse=True)
    areas = []
    for buffer in range(longest + 1):
        half = buffer // 2
        weights = [float(value) for value in truth]
        for start, end in faults:
            for i in range(n):
                distance = max(start - i, i - end)
                if 0 < distance <= half:
                    weights[i] = min(weights[i] + (1 - distance / buffer) ** 0.5, 1.0)
        merged: list[list[int]] = []
        for start, end in faults:
            if merged and merged[-1][1] >= start - half:
                merged[-1][1] = end + half
            else:
                merged.append([start - half, end + half])
        area, recall_before = 0.0, 0.0
        for k in range(thresholds):
            limit = ranked[int(k * (n - 1) / (thresholds - 1))]
            called = [i for i in range(n) if scores[i] >= limit]
            hits = sum(weights[i] for i in called)
            wanted = (2 * sum(truth) + sum(weights[i] for i in called if not truth[i])) / 2
            found = sum(any(start <= i <= end for i in called) for start, end in merged)
            recall = min(hits / wanted, 1.0) * found / len(merged)
            area += (recall - recall_before) * hits / len(called)
            recall_before = recall
        areas.append(area)
    return sum(areas) / len(areas)


def case(seed: int, rows: int, faults: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(seed)
    truth = np.zeros(rows, np.int8)
    for first, last in faults:
        truth[first : last + 1] = 1
    scores = random.rand(rows)
    scores[truth == 1] += 0.5
    return truth, (scores - scores.min()) / (scores.max() - scores.min())


@pytest.mark.parametrize(
    ("seed", "rows", "faults", "longest", "thresholds", "figure"),
    [
        (0, 200, [(40, 55), (120, 130)], 10, 50, 0.657318866508),
        (1, 300, [(50, 60), (150, 180), (250, 255)], 20, 100, 0.720301443269),
    ],
)
def test_figures_of_the_authors_implementation_are_met(
    seed: int, rows: int, faults: list[tuple[int, int]], longest: int, thresholds: int, figure: float
):
    truth, scores = case(seed, rows, faults)
    assert vus_pr(truth, scores, longest_buffer_rows=longest, thresholds=thresholds) == pytest.approx(figure, abs=1e-9)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=30).filter(
        lambda rows: any(r[0] for r in rows)
    ),
    st.integers(0, 9),
)
def test_running_sums_equal_the_definition(rows: list[tuple[bool, int]], longest: int):
    truth, scores = [int(row[0]) for row in rows], [float(row[1]) for row in rows]
    fast = vus_pr(np.array(truth, np.int8), np.array(scores), longest_buffer_rows=longest, thresholds=11)
    assert fast == pytest.approx(direct(truth, scores, longest, 11), abs=1e-9)


def test_without_a_buffer_one_fault_found_is_average_precision():
    truth, scores = case(3, 250, [(100, 120)])
    first_row_is_a_hit = scores.copy()
    first_row_is_a_hit[110] = 2.0
    volume = vus_pr(truth, first_row_is_a_hit, longest_buffer_rows=0, thresholds=250)
    assert volume == pytest.approx(auc_pr(truth, first_row_is_a_hit))


def test_an_alarm_just_beside_a_fault_is_worth_more_than_one_far_away():
    truth = np.zeros(200, np.int8)
    truth[100:110] = 1
    near, far = np.zeros(200), np.zeros(200)
    near[95:105], far[20:30] = 1.0, 1.0
    assert vus_pr(truth, near) > vus_pr(truth, far) + 0.3


def test_no_faults_have_no_volume():
    assert np.isnan(vus_pr(np.zeros(10, np.int8), np.arange(10.0)))
