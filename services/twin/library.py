"""The twin in process: package an estimator, load a bundle, predict. No server, no network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.twin.adapters.onnx_model import ServedModel, load_model, model_card
from services.twin.domain.prediction import Prediction, predict_row
from shared.clock import SystemClock
from shared.errors import JSON
from shared.onnx.bundle import open_bundle
from shared.onnx.settings import KeySettings
from shared.onnx.signing import TrustStore

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

DEFAULT_LEVEL = 0.9


class Predictions(NamedTuple):
    """Predictions of many rows, each array `(n,)` [unit of the target]."""

    prediction: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


class Twin:
    """A model loaded from a bundle; safe to use from several threads.

    Examples
    --------
    >>> twin = Twin.load("bundles/power")  # doctest: +SKIP
    >>> twin.predict({"AT": 14.96, "V": 41.76, "AP": 1024.07, "RH": 73.17}, level=0.9)  # doctest: +SKIP
    """

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    @classmethod
    def load(cls, path: str | Path, trust: TrustStore | None = None) -> "Twin":
        """Load a bundle folder after checking its signature and every file.

        Parameters
        ----------
        trust
            Keys whose bundles are accepted; those enrolled in `FUTAGO_HOME` unless given.

        Raises
        ------
        BundleUnsigned, BundleUntrustedKey, BundleAltered, BundleMalformed
            If the bundle is not what a trusted key signed.
        """
        return cls(load_model(open_bundle(Path(path), trust or KeySettings().trust())))

    @property
    def card(self) -> dict[str, JSON]:
        """What the model takes and predicts, how it was trained and how good it is on rows it never saw."""
        return {**model_card(self._model.manifest), "digest": self._model.digest, "size_bytes": self._model.size_bytes}

    def predict(self, inputs: Mapping[str, JSON], level: float = DEFAULT_LEVEL) -> Prediction:
        """Predict one row from values by feature name.

        Raises
        ------
        InputsInvalid, QualityBad
            If a value is missing, unknown, not a finite number, out of its range, or Bad; every fault is listed.
        LevelInvalid, TooFewResiduals
            If the calibration gives no interval of this level.
        """
        return predict_row(self._model, inputs, level)

    def predict_many(self, rows: ArrayLike | Sequence[Mapping[str, JSON]], level: float = DEFAULT_LEVEL) -> Predictions:
        """Predict many rows at once.

        Parameters
        ----------
        rows
            `(n, f)` with columns in the order of the card's features, or a sequence of mappings as for `predict`.

        Raises
        ------
        InputsInvalid, QualityBad
            If any row cannot be used; every fault of every row is listed, and nothing is predicted.
        LevelInvalid, TooFewResiduals
            If the calibration gives no interval of this level.
        """
        values = self._model.reader.read_many(rows)
        outputs = self._model.compute(values)
        return Predictions(outputs.prediction, *self._model.calibration.bounds(outputs, level))


def package(
    estimator: "BaseEstimator",
    X: ArrayLike | Any,
    y: ArrayLike,
    *,
    name: str,
    version: str,
    features: Sequence[Mapping[str, JSON]],
    target: Mapping[str, JSON],
    out: str | Path,
    scaler: "BaseEstimator | None" = None,
    interval: Literal["auto", "split", "normalized"] = "auto",
    calibration: float | tuple[ArrayLike, ArrayLike] | None = None,
) -> Path:
    """Package a fitted scikit-learn regressor as a signed bundle that predicts exactly the same.

    The bundle is signed with the key of `FUTAGO_HOME`, which is made at first use.

    Parameters
    ----------
    estimator
        Fitted forest, extra trees, linear model, or pipeline of scalers and one of these.
    X, y
        The rows `(n, f)` and target `(n,)` that the estimator was fitted on. They give the ranges and the training
        report, and they are never used to calibrate the served model directly: its errors on them are too small.
    name, version
        1 to 64 letters, digits, dots, dashes and underscores.
    features
        One mapping per column, in order: `name`, and optionally `unit`, `valid_range` (lowest, highest; values
        outside are refused) and `resolution` (step of the sensor).
    target
        `name`, and optionally `unit`.
    out
        Folder of the bundle; an earlier bundle there is replaced.
    scaler
        A fitted scaler that was applied before `estimator` saw the rows; `X` is then given unscaled.
    interval
        `split`: the same width everywhere; `normalized`: wider where the trees disagree; `auto`: whichever has the
        smaller Winkler score on unseen rows.
    calibration
        `(X_cal, y_cal)`: rows that the estimator never saw. A share in (0, 1): that share of `X` is held back from a
        refit of the same recipe. `None`: five-fold out-of-fold errors of refits. The card says which it was.

    Returns
    -------
    Path
        The bundle folder.

    Raises
    ------
    EstimatorUnsupported
        If there is no exact conversion for the estimator or scaler.
    NotExact
        If the graph differs from the estimator by more than float32 rounding on any of 20,000 rows.
    TooFewCalibrationRows
        If there are too few unseen rows for a 90 % interval; says how many are needed.
    DataUnusable, BundleMalformed
        If the rows, names or ranges make no sense.
    """
    # scikit-learn and onnx are needed to package and never to predict: an edge box has neither.
    from services.twin.packaging.package import build_package, describe  # noqa: PLC0415

    info = build_package(
        estimator,
        X,
        y,
        description=describe(name, version, features, target),
        scaler=scaler,
        interval=interval,
        calibration=calibration,
        out=Path(out),
        key=KeySettings().signing_key(),
        now=SystemClock().now(),
    )
    return info.folder
