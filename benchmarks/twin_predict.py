"""One prediction with an interval, in process: the twin beside scikit-learn alone and a loop over the trees."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.pairs import seconds_per_call
from futago.plant import YieldData, yield_dataset
from services.twin.library import Twin, package


def main() -> None:
    """Print microseconds per call, and how many of the twin's calls fit into each."""
    data = yield_dataset(2_000, seed=0)
    scaler = StandardScaler().fit(data.rows)
    forest = RandomForestRegressor(n_estimators=10, max_depth=5, random_state=0)
    forest.fit(scaler.transform(data.rows), data.target)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FUTAGO_HOME"] = folder  # a signing key of its own
        times_s = seconds_per_call(_ways(forest, scaler, data, Path(folder) / "bundle"))
    ours_s = next(iter(times_s.values()))
    for name, time_s in times_s.items():
        print(f"  {name:42s} {time_s * 1e6:10.1f} µs {time_s / ours_s:8.1f} x")


def _ways(
    forest: RandomForestRegressor, scaler: StandardScaler, data: YieldData, bundle: Path
) -> dict[str, Callable[[], object]]:
    features = [{"name": name} for name in data.columns]
    package(
        forest, data.rows, data.target,
        name="yield", version="1", features=features, target={"name": "yield"}, out=bundle, scaler=scaler,
    )  # fmt: skip
    twin = Twin.load(bundle)
    row = {name: float(value) for name, value in zip(data.columns, data.rows[0], strict=True)}
    rows = data.rows[:100]
    pipeline = make_pipeline(scaler, forest)

    def loop_over_trees() -> tuple[float, float, float]:
        """The textbook way: every tree predicts by itself, percentiles of the answers make an interval."""
        scaled = scaler.transform(np.array([[row[name] for name in data.columns]]))
        answers = [tree.predict(scaled)[0] for tree in forest.estimators_]
        return float(forest.predict(scaled)[0]), float(np.percentile(answers, 5)), float(np.percentile(answers, 95))

    return {
        "twin, one row with interval": lambda: twin.predict(row),
        "twin, 100 rows with intervals": lambda: twin.predict_many(rows),
        "scikit-learn, one row, no interval": lambda: pipeline.predict(rows[:1]),
        "scikit-learn, one row, loop over trees": loop_over_trees,
    }
