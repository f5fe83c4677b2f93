"""The twin's part: train a forest, package, publish, predict rows it never saw."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from futago.answers import BatchItem, Prediction
from futago.client import Client
from futago.demo.cases import TwinCase
from futago.demo.errors import DemoFailed
from futago.demo.figures import IntervalFigures
from futago.demo.report import Finding
from futago.wire import JsonObject

TREES = 100
BATCH_ROWS = 100
"""The suite's default limit of one batch."""
CALIBRATION_SHARE, TEST_SHARE = 0.2, 0.1


def train_and_publish(client: Client, case: TwinCase, *, version: str, scratch: Path, seed: int) -> JsonObject:
    """Train on the first rows of the case, calibrate on the next, publish; the last rows stay unseen.

    Parameters
    ----------
    scratch
        An empty folder for the bundle.
    """
    # scikit-learn, and what packages it, are needed here alone.
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415

    from services.twin.library import package  # noqa: PLC0415

    rows, target = _shuffled(case, seed)
    train, calibration = _split(len(rows))
    forest = RandomForestRegressor(TREES, min_samples_leaf=3, random_state=seed).fit(rows[train], target[train])
    bundle = package(
        forest,
        rows[train],
        target[train],
        name=case.model,
        version=version,
        features=case.features,
        target={"name": case.target_name, "unit": case.target_unit},
        out=scratch / case.model,
        calibration=(rows[calibration], target[calibration]),
    )
    return client.publish(bundle)


def run(client: Client, case: TwinCase, scratch: Path, seed: int) -> list[Finding]:
    """Publish a forest and judge its predictions through the gateway.

    Raises
    ------
    DemoFailed
        If a row is not predicted.
    """
    version = time.strftime("%Y%m%d.%H%M%S", time.gmtime())
    train_and_publish(client, case, version=version, scratch=scratch, seed=seed)
    client.activate(case.model, version)
    rows, target = _shuffled(case, seed)
    test = slice(_split(len(rows))[1].stop, len(rows))
    names = [str(feature["name"]) for feature in case.features]
    inputs = [dict(zip(names, row, strict=True)) for row in rows[test].tolist()]
    began_s = time.monotonic()
    items = [item for chunk in _chunks(inputs) for item in client.batch(chunk, case.model)["results"]]
    per_row_ms = (time.monotonic() - began_s) * 1000.0 / len(items)
    predicted, lower, upper = _read(items)
    figures = IntervalFigures.of(target[test], predicted, lower, upper)
    one = client.predict(inputs[0], case.model)
    return [
        Finding(
            "twin", case.title, f"model {case.model} {version}, {len(items)} unseen rows, {per_row_ms:.2f} ms a row"
        ),
        Finding("twin", "error", f"RMSE {figures.rmse:.2f} {case.target_unit}"),
        Finding("twin", "90 % interval", f"covers {figures.coverage:.1%}, {figures.width:.2f} {case.target_unit} wide"),
        Finding("twin", "one prediction", _sentence(one)),
    ]


def _shuffled(case: TwinCase, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    order = np.random.default_rng(seed).permutation(len(case.rows))
    return case.rows[order], case.target[order]


def _split(count: int) -> tuple[slice, slice]:
    test_from = count - round(TEST_SHARE * count)
    calibration_from = test_from - round(CALIBRATION_SHARE * count)
    return slice(0, calibration_from), slice(calibration_from, test_from)


def _chunks(inputs: list[dict[str, float]]) -> Iterator[list[dict[str, float]]]:
    for start in range(0, len(inputs), BATCH_ROWS):
        yield inputs[start : start + BATCH_ROWS]


def _read(items: list[BatchItem]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    refused = [item for item in items if item["status"] == "error"]
    if refused:
        raise DemoFailed(
            f"{len(refused)} of {len(items)} rows were not predicted, the first because {refused[0]['error']}"
        )
    bounds = [item["prediction_interval"] for item in items]
    return (
        np.array([item["prediction"] for item in items]),
        np.array([bound["lower"] for bound in bounds]),
        np.array([bound["upper"] for bound in bounds]),
    )


def _sentence(answer: Prediction) -> str:
    interval = answer["prediction_interval"]
    return (
        f"{answer['prediction']:.2f} {answer['unit']}, with {interval['level']:.0%} in "
        f"{interval['lower']:.2f} to {interval['upper']:.2f}"
    )
