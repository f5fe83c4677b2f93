"""A forest of 300 trees on the Combined Cycle Power Plant: size, load and one row, beside pickle and scikit-learn."""

import gc
import os
import pickle
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

from benchmarks.data import DATA
from benchmarks.pairs import seconds_per_call
from services.twin.library import Twin, package

_FEATURES = ["AT", "V", "AP", "RH"]
_TICK_S = 0.0005


def main() -> None:
    """Print what a large forest costs as a bundle."""
    table = pd.read_csv(DATA / "regression" / "ccpp.csv.gz")
    rows, target = table[_FEATURES].to_numpy(np.float64), table["PE"].to_numpy(np.float64)
    forest = RandomForestRegressor(300, random_state=0).fit(rows, target)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FUTAGO_HOME"] = folder  # a signing key of its own
        bundle = package(
            forest, rows, target,
            name="ccpp", version="1", features=[{"name": name} for name in _FEATURES], target={"name": "PE"},
            out=Path(folder) / "bundle", calibration=0.2,
        )  # fmt: skip
        pickled = len(pickle.dumps(forest))
        size = sum(file.stat().st_size for file in bundle.iterdir())
        print(f"  bundle {size / 1e6:6.1f} MB, pickle {pickled / 1e6:6.1f} MB: {size / pickled:.3f} of it")
        scikit_learn_s = seconds_per_call({"predict": partial(forest.predict, rows[:1])})["predict"]
        del forest
        gc.collect()
        gaps = _Gaps()
        with gaps:
            started_s = time.perf_counter()
            twin = Twin.load(bundle)
            load_s = time.perf_counter() - started_s
        print(f"  load {load_s:.2f} s; the longest another thread waited meanwhile: {gaps.longest_s * 1e3:.1f} ms")
        row = dict(zip(_FEATURES, rows[0].tolist(), strict=True))
        times_s = seconds_per_call(
            {
                "one row with interval": lambda: twin.predict(row),
                "100 rows with intervals": lambda: twin.predict_many(rows[:100]),
            }
        )
    for name, time_s in {**times_s, "scikit-learn, one row, no interval": scikit_learn_s}.items():
        print(f"  {name:42s} {time_s * 1e6:10.1f} µs")


class _Gaps:
    """Notes how late a thread that wakes up all the time is woken: what an event loop would feel."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        last_s = time.perf_counter()
        while not self._stop.wait(_TICK_S):
            now_s = time.perf_counter()
            self.longest_s = max(self.longest_s, now_s - last_s)
            last_s = now_s
