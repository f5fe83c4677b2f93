"""Combined Cycle Power Plant (Tüfekci & Kaya 2014): real data, honest coverage."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from services.twin.library import Twin, package


@pytest.mark.parametrize("interval", ["split", "normalized"])
def test_ninety_percent_intervals_hold_ninety_percent_of_the_unseen_hours(
    interval: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FUTAGO_HOME", str(tmp_path / "home"))
    with gzip.open(data / "regression" / "ccpp.csv.gz", "rt", encoding="utf-8") as file:
        names, *records = csv.reader(file)
    table = np.random.default_rng(0).permutation(np.array(records, np.float64))
    X, y, X_new, y_new = table[:5000, :4], table[:5000, 4], table[5000:, :4], table[5000:, 4]
    forest = RandomForestRegressor(30, min_samples_leaf=2, random_state=0).fit(X, y)
    bundle = package(
        forest,
        X,
        y,
        name="power",
        version="1",
        features=[{"name": name, "resolution": 0.01} for name in names[:4]],
        target={"name": names[4], "unit": "MW"},
        out=tmp_path / "bundle",
        interval=interval,
    )
    prediction, lower, upper = Twin.load(bundle).predict_many(X_new, level=0.9)
    np.testing.assert_allclose(prediction, forest.predict(X_new), rtol=2.0**-22)
    assert 0.88 <= np.mean((lower <= y_new) & (y_new <= upper)) <= 0.92
