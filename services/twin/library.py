"""The twin in process: package an estimator, load a bundle, predict, observe. No server, no network."""

# ruff: noqa: PLC0415 (scikit-learn and ONNX are loaded by whoever packages; serving does without them)

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.twin.adapters.local_live import LocalLive
from services.twin.adapters.onnx_model import ServedModel, load_model, model_card
from services.twin.domain.computing import compute_row
from services.twin.domain.fail_safe import FailSafe
from services.twin.domain.live_correction import LiveCorrection
from services.twin.domain.live_quality import RollingFigures, Verdict
from services.twin.domain.live_settings import LiveSettings
from services.twin.domain.prediction import Prediction
from services.twin.domain.rescue import Rescue
from services.twin.domain.serving import NoMeter
from shared.clock import SystemClock
from shared.errors import JSON, AppError
from shared.onnx.bundle import check_replaceable, open_bundle
from shared.onnx.manifest import check_name
from shared.onnx.settings import KeySettings
from shared.onnx.signing import TrustStore

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from services.twin.packaging.estimator_table import Table
    from services.twin.packaging.training_record import TrainedTwin

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

    def __init__(self, model: ServedModel, state: Path | None = None) -> None:
        self._model = model
        self._live = LocalLive(model, SystemClock(), state)
        self._rescue = Rescue(NoMeter(), SystemClock())

    @classmethod
    def load(cls, path: str | Path, trust: TrustStore | None = None, *, state: str | Path | None = None) -> "Twin":
        """Load a bundle folder after checking its signature and every file.

        Parameters
        ----------
        trust
            Keys whose bundles are accepted; those enrolled in `FUTAGO_HOME` unless given.
        state
            File that keeps what `observe` learns; it need not exist yet. Without one it ends with the process.

        Raises
        ------
        StateUnreadable
            If the file is there and holds something else.
        BundleUnsigned, BundleUntrustedKey, BundleAltered, BundleMalformed
            If the bundle is not what a trusted key signed.
        """
        model = load_model(open_bundle(Path(path), trust or KeySettings().trust()))
        return cls(model, None if state is None else Path(state))

    @property
    def card(self) -> dict[str, JSON]:
        """What the model takes and predicts, how it was trained and how good it is on rows it never saw."""
        return {**model_card(self._model.manifest), "digest": self._model.digest, "size_bytes": self._model.size_bytes}

    def predict(self, inputs: Mapping[str, JSON], level: float = DEFAULT_LEVEL) -> Prediction:
        """Predict one row from values by feature name.

        Where a value is Bad or the model fails, the policy on its card is taken, and `status` says so: `hold` repeats
        what this twin predicted last at this level. There is no deadline: nobody waits for the answer but the caller.

        Raises
        ------
        InputsInvalid
            If a value is missing, unknown, not a finite number or out of its range; every fault is listed.
        QualityBad, ModelFailed, PredictionNotFinite
            If a value is Bad or the model has no answer, and its policy has none either.
        LevelInvalid, TooFewResiduals
            If the calibration gives no interval of this level.
        """
        row = self._model.reader.read_row(inputs)
        try:
            prediction = compute_row(self._model, row, level, self._live.correction)
        except AppError as error:
            return self._rescue.answer(self._model, row, level, None, error)
        self._rescue.remember(self._model, prediction, None)
        return prediction

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
        correction = self._live.correction or LiveCorrection()
        return Predictions(*correction.correct(self._model.calibration, outputs, level))

    def observe(
        self, inputs: Mapping[str, JSON], actual: float | np.number[Any], timestamp: datetime | str | None = None
    ) -> Verdict:
        """Compare a measured value with its prediction, and learn from it.

        Where the card's `live` settings say so, later predictions and intervals are corrected by what was learned;
        the figures of this one are those from before it.

        Parameters
        ----------
        actual
            What was measured [unit of the target].
        timestamp
            When: aware, or RFC 3339; now unless given. Every call counts, also one with the same time again.

        Raises
        ------
        ObservationInvalid
            If a value or the time cannot be used; every fault is listed.
        QualityBad
            If the source calls an input Bad: nothing is learned from such a row.
        StateUnreadable
            If the state file cannot be written; nothing was learned.
        """
        moment = timestamp.isoformat() if isinstance(timestamp, datetime) else timestamp
        # A number of numpy is one; anything else is looked at where every fault is listed.
        measured = float(actual) if isinstance(actual, np.number) else actual
        return self._live.observe(inputs, measured, moment)

    @property
    def quality(self) -> RollingFigures | None:
        """Coverage and errors on the newest observations; `None` before the first."""
        return self._live.state.figures()

    def states(self, rows: NDArray[np.float64]) -> list[str]:
        """Where each of `(n, f)` rows lies relative to the training rows: `in`, `edge` or `out`."""
        return [place.state.value for place in self._model.applicability.place_all(rows)]


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
    interval: Literal["auto", "split", "normalized", "cqr"] = "auto",
    calibration: float | tuple[ArrayLike, ArrayLike] | None = None,
    fail_safe: Literal["reject", "hold", "fallback"] | Mapping[str, JSON] = "reject",
    live: Mapping[str, JSON] | None = None,
    slim: Mapping[str, JSON] | None = None,
    selection: Mapping[str, JSON] | None = None,
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
        `split`: the same width everywhere; `normalized`: wider where the trees disagree, or where a model of the
        errors expects large ones; `auto`: whichever of the two has the smaller Winkler score at 90 % on rows that
        neither fitted nor calibrated it; `cqr`: between two regressed quantiles, which take long to fit.
    calibration
        `(X_cal, y_cal)`: rows that the estimator never saw. A share in (0, 1): that share of `X` is held back from a
        refit of the same recipe. `None`: five-fold out-of-fold errors of refits, 15 to 25 in all. The card says which
        it was.
    fail_safe
        What is answered when the model fails, misses its deadline, or a value is Bad: `reject`, `hold` (the last good
        prediction) or `fallback` (a linear surrogate that travels in the bundle); or a mapping with `policy`,
        `deadline_s` (1 s at most) and `hold_limit_s`.
    live
        What observations may change: a mapping with `bias_update`, `adaptive`, `window_rows` and `coverage_band`.
    slim
        `{"budget": 0.02}`: serve the smallest model whose error on unseen rows is at most 2 % larger with 95 %
        confidence, with fewer and pruned trees, or weights in 8 or 16 bits. The card says what it cost and saved.
    selection
        How the estimator was chosen, for the card: the split, the recipes that were tried and their errors.

    Returns
    -------
    Path
        The bundle folder.

    Raises
    ------
    EstimatorUnsupported
        If there is no exact conversion for the estimator or scaler.
    EstimatorNotFitted
        If the estimator or scaler was never fitted.
    NotExact
        If the graph differs from the estimator by more than float32 rounding on any of 20,000 rows.
    TooFewCalibrationRows
        If there are too few unseen rows for a 90 % interval, or for the method asked; says how many are needed.
    FailSafeInvalid, LiveSettingsInvalid
        If `fail_safe` or `live` makes no sense.
    DataUnusable, BundleMalformed
        If the rows, names or ranges make no sense.
    """
    # scikit-learn and onnx are needed to package and never to predict: an edge box has neither.
    from services.twin.packaging.package import build_package, describe
    from services.twin.packaging.slim import SlimBudget

    info = build_package(
        estimator,
        X,
        y,
        description=describe(name, version, features, target),
        scaler=scaler,
        interval=interval,
        calibration=calibration,
        fail_safe=FailSafe.of(fail_safe),
        live=None if live is None else LiveSettings.of(live),
        slim=None if slim is None else SlimBudget.of(slim),
        selection=selection,
        out=Path(out),
        key=KeySettings().signing_key(),
        now=SystemClock().now(),
    )
    return info.folder


def train(
    data: str | Path,
    target: str,
    *,
    name: str | None = None,
    version: str = "1.0.0",
    out: str | Path | None = None,
    units: Mapping[str, str] | None = None,
    time: str | None = None,
    group: str | None = None,
    features: Sequence[str] = (),
    exclude: Sequence[str] = (),
    live: Mapping[str, JSON] | None = None,
    encoding: str | None = None,
    seconds: float = 120.0,
    seed: int = 0,
) -> "TrainedTwin":
    """Train a twin on a CSV file: honest splits, several recipes, the best one packaged, and a report.

    Parameters
    ----------
    data
        `.csv` or `.csv.gz` with a header; a header such as `AT [°C]` names the unit too.
    target
        The column to predict.
    name
        Name of the model; that of the file unless given, with dashes for what a name may not have.
    out
        Folder of the bundle, `bundles/NAME` unless given; the report lies beside it, as `NAME-report.html`.
    units
        Units by column name.
    time
        The column that orders the rows: the last fifth is then the test. A column of dates is found by itself.
    group
        The column that tells which rows belong together, such as a batch: none is on two sides of a split.
    features, exclude
        The inputs, or columns that are none; every column of numbers is an input otherwise.
    live
        What observations may change, as for `package`.
    encoding
        Of the file; found from its bytes unless given.
    seconds
        Time for choosing among the recipes; packaging the chosen one comes on top.
    seed
        The same file, seed and enough time give the same model.

    Raises
    ------
    CsvUnusable
        If the file is no table of numbers; names row and column.
    DataUnusable
        If a column is missing, the target never varies, or there are too few rows or groups.
    BundleMalformed
        If the name or version is no name, or the folder holds something else than a bundle.
    """
    from services.twin.packaging.candidates import candidates
    from services.twin.packaging.dataset import Roles
    from services.twin.packaging.report import write_report
    from services.twin.packaging.train import name_for, train_on_csv
    from services.twin.packaging.training_record import TrainedTwin

    name = name or name_for(Path(data))
    folder = Path(out) if out is not None else Path("bundles") / name
    # What would stop the packaging is said before the minutes of training.
    check_name("name", name)
    check_name("version", version)
    check_replaceable(folder)
    bundle, training = train_on_csv(
        Path(data),
        Roles(target, time, group, features, exclude, units),
        recipes=candidates(seed=seed),
        encoding=encoding,
        seconds=seconds,
        seed=seed,
        package=partial(package, name=name, version=version, out=folder, live=live),
        load=Twin.load,
        now_s=SystemClock().monotonic_s,
    )
    report = folder.parent / f"{folder.name}-report.html"
    report.write_text(write_report(training, name=name, version=version), encoding="utf-8")
    return TrainedTwin.of(bundle, report, training)


def read_table(
    data: str | Path,
    target: str,
    *,
    features: Sequence[Mapping[str, JSON]] | None = None,
    encoding: str | None = None,
) -> "Table":
    """Read the rows that an estimator was fitted on, and what their columns are called, from a CSV file.

    Parameters
    ----------
    features
        One mapping per input, in the order in which the estimator takes them: `name`, and optionally `unit`,
        `valid_range` and `resolution`. Every column but the target, in the order of the file, if `None`.

    Raises
    ------
    CsvUnusable
        If the file is no table of numbers; names row and column.
    DataUnusable
        If a column is missing.
    """
    from services.twin.packaging.csv_table import columns_of
    from services.twin.packaging.csv_text import read_csv
    from services.twin.packaging.estimator_table import make_table

    return make_table(columns_of(read_csv(Path(data), encoding)), target, features)


def load_model_file(path: str | Path) -> Any:
    """The booster in a LightGBM text file or an XGBoost `.json` or `.ubj` file, for `package`.

    Raises
    ------
    ModelFileRefused
        If the file is, or may hold, a pickle.
    ModelFileUnusable, EstimatorUnsupported
        If it is no model of these libraries.
    """
    from services.twin.packaging.model_files import load_model_file as load

    return load(Path(path))
