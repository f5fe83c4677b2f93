import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from services.anomaly.adapters.forest_file import forest_file, read_forest
from services.anomaly.domain.isolation_forest import Forest, ForestModel, usual_depth
from services.anomaly.domain.options.statistical import IsolationForestOptions
from services.anomaly.domain.runs import Runs
from services.anomaly.domain.scaling import Scaling, fit_scaling
from services.anomaly.domain.windows import windows
from services.anomaly.training.isolation_forest import fit_forest, forest_tables
from shared.onnx.errors import BundleMalformed

UNSCALED = Scaling(np.zeros(3), np.ones(3), ())


def normal_rows(rows: int = 400, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 3)) * [1.0, 3.0, 0.5]


def grown(rows: np.ndarray, **settings: int) -> IsolationForest:
    return IsolationForest(n_estimators=settings.pop("trees", 20), random_state=0, **settings).fit(rows)


def within(rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points inside the range of the rows."""
    return np.clip(points, rows.min(axis=0), rows.max(axis=0))


def parts(forest: Forest, points: np.ndarray) -> np.ndarray:
    return ForestModel(forest, UNSCALED, smoothing_rows=1).parts(points)


@pytest.mark.parametrize("rows", [2, 3, 50, 400])
def test_score_is_that_of_scikit_learn(rows: int):
    forest = grown(normal_rows(rows))
    points = within(normal_rows(rows), np.vstack([normal_rows(200, seed=1) * 2.0, normal_rows(rows)]))
    np.testing.assert_allclose(
        parts(forest_tables(forest, normal_rows(rows)), points).sum(axis=1), -forest.score_samples(points), rtol=1e-12
    )


def test_readings_near_a_cut_go_the_way_they_go_in_scikit_learn():
    forest = grown(normal_rows())
    tables = forest_tables(forest, normal_rows())
    near = np.repeat(tables.cut[tables.sensor >= 0][:200, None], 3, axis=1)
    for shift in (-1e-8, 0.0, 1e-8):
        points = within(normal_rows(), near * (1.0 + shift))
        np.testing.assert_allclose(parts(tables, points).sum(axis=1), -forest.score_samples(points), rtol=1e-12)


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 10.0))
def test_parts_are_not_negative_and_sum_to_the_score(seed: int, size: float):
    points = within(normal_rows(), np.random.default_rng(seed).normal(size=(5, 3)) * size)
    shares = MODEL.parts(points)
    assert (shares >= 0.0).all()
    np.testing.assert_allclose(shares.sum(axis=1), -FOREST.score_samples(points), rtol=1e-12)


@pytest.mark.parametrize("sensor", range(3))
def test_sensor_that_left_its_place_has_the_largest_part(sensor: int):
    point = np.zeros((1, 3))
    point[0, sensor] = 8.0
    assert int(np.argmax(parts(TABLES, point))) == sensor


def test_what_lies_outside_of_all_that_was_seen_is_added_in_full():
    edge = np.array([[normal_rows()[:, 0].max(), 0.0, 0.0]])
    shift = np.array([[7.0, 0.0, 0.0]])
    np.testing.assert_allclose(MODEL.parts(edge + shift) - MODEL.parts(edge), shift, atol=1e-9)


def test_reading_too_large_for_single_precision_is_the_largest_part():
    forest = forest_tables(grown(normal_rows()), normal_rows())
    assert int(np.argmax(parts(forest, np.array([[0.0, -1e50, 0.0]])))) == 1


def test_forest_that_cut_nothing_blames_every_sensor_alike():
    still = np.ones((10, 3))
    forest = grown(still)
    shares = parts(forest_tables(forest, still), still[:1])
    np.testing.assert_allclose(shares, np.full((1, 3), -forest.score_samples(still[:1])[0] / 3.0))


def test_usual_depth_is_that_of_an_unsuccessful_search_in_a_tree():
    np.testing.assert_allclose(
        usual_depth(np.array([1.0, 2.0, 3.0, 256.0])), [0.0, 1.0, 1.2073924, 10.2447709], rtol=1e-6
    )


def test_rows_are_averaged_before_they_are_asked_about():
    rows, scaling = normal_rows(), fit_scaling(normal_rows())
    options = IsolationForestOptions(smoothing_rows=7, trees=10)
    model = ForestModel(fit_forest(Runs.unbroken(rows), scaling, options), scaling, smoothing_rows=7)
    residuals = model.residuals(windows(rows, 7))
    means = np.array([scaling.apply(rows[i : i + 7]).mean(axis=0) for i in range(len(rows) - 6)])
    np.testing.assert_allclose((residuals**2).mean(axis=1), model.parts(means).sum(axis=1), rtol=1e-9)


def test_no_mean_that_trains_the_trees_reaches_across_a_break():
    rows = np.concatenate([np.zeros((50, 3)), np.ones((50, 3))]) + 1e-3 * normal_rows(100)
    broken = Runs(rows, np.array([50]))
    forest = fit_forest(broken, UNSCALED, IsolationForestOptions(smoothing_rows=20, trees=30))
    # A mean across the break would lie between the two levels, and cuts would set it apart.
    between = parts(forest, np.full((1, 3), 0.5)).sum()
    assert between > parts(forest, np.zeros((1, 3))).sum()


def test_stored_trees_score_as_before():
    points = normal_rows(20, seed=4)
    stored = read_forest(forest_file(TABLES), 3)
    assert stored.depth == TABLES.depth
    np.testing.assert_array_equal(parts(stored, points), parts(TABLES, points))


@pytest.mark.parametrize(
    ("name", "value"), [("left", 0), ("right", 10_000), ("sensor", 3), ("rows", 0), ("cut", np.nan), ("low", np.inf)]
)
def test_tables_that_are_no_trees_are_refused(name: str, value: float):
    tables = {
        table: getattr(TABLES, table).copy() for table in ("sensor", "cut", "left", "right", "rows", "low", "high")
    }
    tables[name].flat[0] = value
    buffer = io.BytesIO()
    np.savez(buffer, **tables)
    with pytest.raises(BundleMalformed):
        read_forest(buffer.getvalue(), 3)


@pytest.mark.parametrize("stored", [b"", b"no file"])
def test_file_that_is_none_is_refused(stored: bytes):
    with pytest.raises(BundleMalformed):
        read_forest(stored, 3)


FOREST = grown(normal_rows())
TABLES = forest_tables(FOREST, normal_rows())
MODEL = ForestModel(TABLES, UNSCALED, smoothing_rows=1)
