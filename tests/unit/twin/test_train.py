"""From a CSV file to a bundle: what is left out, what keeps the test honest, and what comes out."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from services.twin import library
from services.twin.packaging.candidates import Candidate, candidates
from services.twin.packaging.csv_table import columns_of
from services.twin.packaging.csv_text import read_csv
from services.twin.packaging.dataset import Dataset, Roles, make_dataset
from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.examination import disappointments, examine
from services.twin.packaging.row_split import RowSplit, SplitKind, split_rows
from services.twin.packaging.selection import TimeBudget, Trial, as_good_as_the_best, cross_validate
from services.twin.packaging.suspicions import suspicions
from services.twin.packaging.train import name_for, train_on_csv
from services.twin.packaging.training_record import Training
from shared.onnx.errors import BundleMalformed

LINE = Candidate("line", "linear", LinearRegression)
FOREST = Candidate("forest", "forest", lambda: RandomForestRegressor(5, max_depth=4, random_state=0))
MEAN = Candidate("mean", "dummy", DummyRegressor)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUTAGO_HOME", str(tmp_path / "home"))


def ticking() -> Callable[[], float]:
    """A clock that moves a second a look."""
    return itertools.count().__next__


def plant(count: int = 400, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    temp, pressure = np.round(rng.uniform(340, 380, count), 1), np.round(rng.uniform(4, 8, count), 2)
    power = np.round(0.5 * temp + 3 * pressure + rng.normal(size=count), 3)
    return {"temp [°C]": temp, "pressure": pressure, "power [MW]": power}


def write(path: Path, columns: dict[str, Any]) -> Path:
    lines = [",".join(columns), *(",".join(map(str, cells)) for cells in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def dataset(tmp_path: Path, columns: dict[str, Any], **roles: Any) -> Dataset:
    path = write(tmp_path / "data.csv", columns)
    return make_dataset(columns_of(read_csv(path)), Roles(**{"target": "power", **roles}))


def run(tmp_path: Path, columns: dict[str, Any], recipes: list[Candidate], **roles: Any) -> tuple[Path, Training]:
    def package(*arguments: Any, **more: Any) -> Path:
        return library.package(*arguments, name="plant", version="1", out=tmp_path / "bundle", **more)

    return train_on_csv(
        write(tmp_path / "data.csv", columns),
        Roles(**{"target": "power", **roles}),
        recipes=recipes,
        encoding=None,
        seconds=1e6,
        seed=0,
        package=package,
        load=library.Twin.load,
        now_s=ticking(),
    )


def test_every_column_of_numbers_is_a_feature_with_its_unit_and_grid(tmp_path: Path):
    data = dataset(tmp_path, plant())
    assert data.features == (
        {"name": "temp", "unit": "°C", "resolution": 0.1},
        {"name": "pressure", "resolution": 0.01},
    )
    assert data.target == {"name": "power", "unit": "MW"}
    assert data.notes == ()
    named = dataset(tmp_path, plant(), units={"pressure": "bar", "temp": "K"}, features=["pressure", "temp [°C]"])
    assert [(feature["name"], feature["unit"]) for feature in named.features] == [("pressure", "bar"), ("temp", "K")]


def test_what_cannot_be_learned_from_is_left_out_and_said(tmp_path: Path):
    count = 100
    columns = {
        "row": range(1, count + 1),
        "batch": ["A", "B"] * 50,
        "spare": [0] * count,
        "broken": ["", 1.0] * 50,
        **plant(count),
    }
    columns["pressure"] = ["" if i % 10 == 0 else value for i, value in enumerate(columns["pressure"])]
    data = dataset(tmp_path, columns)
    assert data.names == ["temp", "pressure"]
    assert (data.rows_read, len(data.rows)) == (100, 90)
    assert sorted(data.notes) == [
        "10 of 100 rows left out, they lack a value (pressure 10)",
        "batch: left out, it holds text",
        "broken: left out, 50% of its rows are empty",
        "row: left out, it numbers the rows",
        "spare: left out, it never varies",
    ]


@pytest.mark.parametrize(
    ("changes", "roles", "reason"),
    [
        ({}, {"target": "powr"}, "is it 'power'?"),
        ({}, {"exclude": ["temp", "pressure"]}, "no column is left"),
        ({"power [MW]": np.ones(400)}, {}, "never varies"),
        ({}, {"features": ["power", "temp"]}, "cannot be the target"),
        ({}, {"time": "temp", "group": "pressure"}, "not both"),
        ({}, {"units": {"presure": "bar"}}, "is it 'pressure'?"),
    ],
)
def test_roles_that_make_no_sense_are_refused(tmp_path: Path, changes: dict, roles: dict, reason: str):
    with pytest.raises(DataUnusable, match=reason.replace("?", r"\?")):
        dataset(tmp_path, plant() | changes, **roles)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("ccpp.csv.gz", "ccpp"),
        ("Boiler 3 (2026).csv", "Boiler-3-2026"),
        ("2026.04 plant.CSV", "2026.04-plant"),
        ("a..b_.csv", "a.b"),
        ("x" * 70 + ".csv", "x" * 64),
        ("工場.csv", ""),
    ],
)
def test_a_model_without_a_name_is_called_after_its_file(file: str, name: str):
    assert name_for(Path(file)) == name


@pytest.mark.parametrize(
    ("changes", "said"), [({"name": "my plant"}, "name 'my plant'"), ({"version": ""}, "version"), ({}, "left alone")]
)
def test_what_would_stop_the_packaging_is_told_before_the_training(tmp_path: Path, changes: dict, said: str):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    with pytest.raises(BundleMalformed, match=said):
        library.train(tmp_path / "nothing.csv", "power", out=tmp_path / "taken", **changes)


@pytest.mark.parametrize("different", [4, 5])
def test_too_few_different_inputs_are_refused_with_the_number_needed(different: int):
    rows = np.repeat(np.arange(different, dtype=float), 40)[:, np.newaxis]
    if different == 5:
        assert split_rows(rows, time_s=None, groups=None, seed=0).kind is SplitKind.GROUPED
        return
    with pytest.raises(DataUnusable, match="only 4 different") as caught:
        split_rows(rows, time_s=None, groups=None, seed=0)
    assert caught.value.facts == {"needed": 5, "count": 4}


def test_features_that_know_the_target_are_named(tmp_path: Path):
    columns = plant()
    power = columns["power [MW]"]
    found = list(
        suspicions(dataset(tmp_path, {"copy": power, "scaled": 2 * power + 1, "meter": np.arange(400) ** 2, **columns}))
    )
    assert [line.split(":")[0] for line in found] == ["copy", "scaled", "meter"]
    assert list(suspicions(dataset(tmp_path, columns))) == []


def test_a_target_of_two_values_is_called_what_it_is(tmp_path: Path):
    columns = plant()
    assert "tells classes apart" in next(
        suspicions(dataset(tmp_path, columns | {"power [MW]": (columns["pressure"] > 6).astype(int)}))
    )


def test_rows_in_an_order_that_nobody_named_are_noticed(tmp_path: Path):
    columns = plant()
    drifting = columns | {"power [MW]": np.cumsum(np.random.default_rng(0).normal(size=400))}
    assert "name the column (time or group)" in next(suspicions(dataset(tmp_path, drifting)))
    assert not list(suspicions(dataset(tmp_path, drifting | {"hour": np.arange(400)}, time="hour")))


def assert_apart(split: RowSplit, count: int) -> None:
    parts = np.concatenate([split.fit, split.calibration, split.test])
    assert len(set(parts)) == len(parts) == count - split.left_out
    for seen, judged in split.folds:
        assert not set(seen) & set(judged)
        assert set(seen) | set(judged) <= set(split.fit)


def test_rows_with_the_same_inputs_are_never_on_two_sides():
    rows = np.random.default_rng(0).normal(size=(500, 3))
    rows[10], rows[20:23] = rows[400], rows[300]
    split = split_rows(rows, time_s=None, groups=None, seed=0)
    assert_apart(split, 500)
    assert split.kind is SplitKind.SHUFFLED
    learned = {tuple(row) for row in rows[split.fit]}
    assert not learned & {tuple(row) for row in rows[split.test]}
    assert len(learned) == len(split.fit)


def test_many_equal_inputs_are_kept_together_and_not_thrown_away():
    rows = np.random.default_rng(0).integers(0, 4, (600, 2)).astype(float)
    split = split_rows(rows, time_s=None, groups=None, seed=0)
    assert_apart(split, 600)
    assert (split.kind, split.left_out) == (SplitKind.GROUPED, 0)
    sides = [{tuple(row) for row in rows[part]} for part in (split.fit, split.calibration, split.test)]
    assert sum(map(len, sides)) == len(set.union(*sides))


def test_with_a_time_the_future_judges_the_past_and_a_moment_is_not_torn_apart():
    time_s = np.random.default_rng(0).permutation(np.repeat(np.arange(150.0), 4))
    split = split_rows(np.arange(600.0)[:, np.newaxis], time_s=time_s, groups=None, seed=0)
    assert_apart(split, 600)
    assert time_s[split.fit].max() < time_s[split.calibration].min()
    assert time_s[split.calibration].max() < time_s[split.test].min()
    assert len(split.test) == 120
    for seen, judged in split.folds:
        assert time_s[seen].max() <= time_s[judged].min()


def test_with_groups_no_group_is_on_two_sides():
    groups = np.random.default_rng(0).integers(0, 12, 600)
    split = split_rows(np.arange(600.0)[:, np.newaxis], time_s=None, groups=groups, seed=0)
    assert_apart(split, 600)
    sides = [set(groups[part]) for part in (split.fit, split.calibration, split.test)]
    assert all(sides)
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert all(not set(groups[seen]) & set(groups[judged]) for seen, judged in split.folds)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_gives_the_same_rows(seed: int):
    rows = np.random.default_rng(0).normal(size=(200, 2))
    first, second = (split_rows(rows, time_s=None, groups=None, seed=seed) for _ in range(2))
    np.testing.assert_array_equal(first.test, second.test)
    assert set(first.test) != set(split_rows(rows, time_s=None, groups=None, seed=2).test)


def test_too_few_rows_or_groups_are_refused_with_the_number_needed():
    rows = np.arange(50.0)[:, np.newaxis]
    split_rows(rows, time_s=None, groups=None, seed=0)
    with pytest.raises(DataUnusable) as few_rows:
        split_rows(rows[:49], time_s=None, groups=None, seed=0)
    assert few_rows.value.facts == {"needed": 50, "count": 49}
    with pytest.raises(DataUnusable) as few_groups:
        split_rows(rows, time_s=None, groups=np.arange(50) % 4, seed=0)
    assert few_groups.value.facts == {"needed": 5, "count": 4}


def test_a_recipe_is_as_good_as_the_best_if_the_folds_cannot_tell_them_apart():
    best = Trial(LINE, (1.0, 3.0, 1.0, 3.0))
    close = Trial(FOREST, (1.2, 2.9, 0.9, 3.1))
    # Within the scatter of the folds, and yet worse in each of them.
    worse = Trial(MEAN, (1.2, 3.2, 1.2, 3.2))
    assert as_good_as_the_best([worse, close, best, Trial(MEAN, ())]) == [close, best]


def test_recipes_that_would_take_too_long_are_given_up_and_the_first_never():
    rows = np.random.default_rng(0).normal(size=(60, 1))
    split = split_rows(rows, time_s=None, groups=None, seed=0)

    def tried(seconds: float) -> list[bool]:
        budget = TimeBudget(seconds, ticking())
        return [bool(trial.fold_rmse) for trial in cross_validate([LINE, MEAN], rows, rows[:, 0], split.folds, budget)]

    assert tried(0.0) == [True, False]
    assert tried(1e6) == [True, True, True]


def test_all_recipes_learn_and_give_the_same_for_the_same_seed():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 2))
    values = 400 + rows.sum(axis=1)
    for recipe in candidates(seed=3):
        first, second = (recipe.make().set_params() for _ in range(2))
        for estimator in (first, second):
            # Ten rounds tell as much about determinism as a thousand.
            for name in ("max_iter", "n_estimators"):
                if name in estimator.get_params():
                    estimator.set_params(**{name: 10})
        predicted = first.fit(rows, values).predict(rows)
        np.testing.assert_array_equal(predicted, second.fit(rows, values).predict(rows))
        assert np.sqrt(np.mean((predicted - values) ** 2)) < values.std()


def test_the_best_recipe_is_packaged_and_judged_on_rows_it_never_saw(tmp_path: Path):
    bundle, training = run(tmp_path, plant(), [MEAN, FOREST, LINE])
    assert training.chosen.trial.candidate is LINE
    assert training.examination.metrics.rmse == pytest.approx(1.0, abs=0.2)
    assert training.examination.by_level[0.9].coverage == pytest.approx(0.9, abs=0.08)
    assert list(training.examination.importance) == ["temp", "pressure"]
    card = library.Twin.load(bundle).card
    assert card["selection"]["split"] == "shuffled"
    assert "drawn by chance" in card["selection"]["statement"]
    assert card["selection"]["rows"]["test"] == len(training.split.test) == 80
    assert card["selection"]["test"]["rmse"] == pytest.approx(training.examination.metrics.rmse, rel=1e-6)
    assert card["training"]["rows"] == 320
    assert [feature["valid_range"] for feature in card["features"]] == [None, None]
    assert card["interval"]["calibration"]["source"] == "out_of_fold"


class Exotic(RegressorMixin, BaseEstimator):
    """Right, and nothing that a graph could be made of."""

    def fit(self, rows: np.ndarray, values: np.ndarray) -> "Exotic":
        self.n_features_in_, self.line_ = rows.shape[1], LinearRegression().fit(rows, values)
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.line_.predict(rows)


def test_a_recipe_without_an_exact_conversion_is_left_out_with_the_reason(tmp_path: Path):
    _, training = run(tmp_path, plant(100), [Candidate("exotic", "none", Exotic), LINE])
    assert training.chosen.trial.candidate is LINE
    assert "no exact conversion" in training.unfinished["exotic"]


def test_dates_in_the_file_make_the_later_rows_the_test(tmp_path: Path):
    hours = [f"2026-04-{day:02d} {hour:02d}:00" for day in range(1, 18) for hour in range(24)][:400]
    bundle, training = run(tmp_path, {"logged": hours, **plant()}, [LINE])
    assert training.split.kind is SplitKind.ORDERED
    assert training.data.names == ["temp", "pressure"]
    assert min(training.split.test) == 320
    card = library.Twin.load(bundle).card
    assert card["interval"]["calibration"]["source"] == "held_out"
    assert card["interval"]["calibration"]["rows"] == len(training.split.calibration) == 64
    assert card["selection"]["notes"] == ["logged: taken as the time of the rows"]


class ShiftedServed:
    """A served model that is always 1 too low, sure to ±0.5."""

    def predict_many(self, rows: np.ndarray, _level: float) -> library.Predictions:
        prediction = rows[:, 0] - 1.0
        return library.Predictions(prediction, prediction - 0.5, prediction + 0.5)

    def states(self, rows: np.ndarray) -> list[str]:
        return ["in" if value < 90 else "out" for value in rows[:, 0]]


def test_a_model_that_is_wrong_is_found_to_be_wrong():
    rows = np.arange(100.0)[:, np.newaxis]
    found = examine(ShiftedServed(), rows, rows[:, 0], ["x"], seed=0)
    assert (found.metrics.rmse, found.by_level[0.9].coverage) == (1.0, 0.0)
    assert found.by_decile == [(0.0, 10)] * 10
    assert found.states == {"in": 0.9, "edge": 0.0, "out": 0.1}
    assert found.importance["x"] > 10
    assert "holds 0.0% of the test rows" in "".join(disappointments(found))


def test_a_model_that_is_right_disappoints_nobody(tmp_path: Path):
    _, training = run(tmp_path, plant(150), [LINE])
    assert list(training.warnings) == []
    _, useless = run(tmp_path, plant(150), [MEAN])
    assert "worse than their mean" in "".join(useless.warnings)


def test_a_training_from_the_library_leaves_a_bundle_and_a_report(tmp_path: Path):
    trained = library.train(
        write(tmp_path / "power.csv", plant(150)), "power", out=tmp_path / "bundles" / "p", seconds=0.001
    )
    assert (trained.model, trained.unit, trained.test_rows) == ("ridge", "MW", 30)
    assert trained.report == tmp_path / "bundles" / "p-report.html"
    assert library.Twin.load(trained.bundle).card["name"] == "power"
    assert sorted(path.name for path in (tmp_path / "bundles").iterdir()) == ["p", "p-report.html"]
