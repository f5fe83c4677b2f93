"""Detectors in process: train, score, save and load without a service.

>>> from services.anomaly.library import Detector
>>> normal = np.random.default_rng(0).normal(size=(400, 3))
>>> detector = Detector(kind="mahalanobis").fit(normal, columns=["flow", "pressure", "temperature"])
>>> faulty = normal[-60:] + [0.0, 3.0, 0.0]
>>> detector.detect(faulty, context=normal).labels[-1]
np.int8(1)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.anomaly.adapters.detector_bundle import read_detector, served_detector, write_detector
from services.anomaly.adapters.onnx_detector import OnnxResidualModel
from services.anomaly.domain.detection import Detection
from services.anomaly.domain.options.reading import parse_options
from services.anomaly.domain.rows import RowsRefused, check_columns, check_times, column_order, rows_from_array
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.threshold_rules import read_unlabelled_rule
from services.anomaly.domain.thresholds import Threshold
from services.anomaly.domain.trained import Trained
from services.anomaly.domain.training_plan import plan_training
from services.anomaly.training.pipeline import Hooks, TrainingSet, train
from shared.clock import Clock, SystemClock, rfc3339
from shared.errors import JSON, AppError, Fault, Kind
from shared.onnx.bundle import open_bundle
from shared.onnx.settings import KeySettings
from shared.onnx.signing import SigningKey, TrustStore

if TYPE_CHECKING:
    from services.anomaly.training.fit import Epoch


class NotFitted(AppError):
    """A detector was asked to score or to be saved before it was fitted."""

    kind, code = Kind.CONFLICT, "anomaly.not_fitted"


class Detector:
    """Learns normal rows and scores later ones.

    Parameters
    ----------
    kind
        `auto`, `mahalanobis`, `pca`, `autoencoder` or `lstm_autoencoder`. `auto` chooses and says why on the card.
    threshold
        How the limit is set, as `{"method": name, setting: number}`: `margin` (`factor`), `percentile` (`q`), `sigma`
        (`k`), `fpr` (`max_fpr`), `pot` (`risk`) or `value` (`value`). Left out, the kind's own.
    on_epoch, should_stop
        Told after, and asked before, every epoch of a network.
    options
        Settings of the kind, such as `smoothing_rows` or `epochs`; `None` or `"auto"` is the default.

    Raises
    ------
    KindUnknown, OptionsRefused, RuleRefused
        At once, before any row is seen.
    """

    def __init__(
        self,
        kind: str = "auto",
        *,
        threshold: Mapping[str, JSON] | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        **options: JSON,
    ) -> None:
        parse_options(kind, options)
        self._kind = kind
        self._options = options
        self._threshold = threshold
        if threshold is not None:
            read_unlabelled_rule(threshold)
        self._hooks = Hooks(OnnxResidualModel, on_epoch or _ignore, should_stop or _never)
        self._trained: Trained | None = None
        self._served: ServedDetector | None = None

    def fit(
        self,
        rows: ArrayLike,
        timestamps: Sequence[datetime] | NDArray[np.datetime64] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Self:
        """Learn from normal rows.

        Parameters
        ----------
        rows
            `(n, c)` finite numbers, oldest first; an array, lists, or a data frame.
        timestamps
            `(n,)`, increasing; without a zone they are read as UTC.
        columns
            Names of the sensors; by default those of the data frame, otherwise `s1, s2, …`.

        Raises
        ------
        RowsRefused
            If rows, columns or times cannot be used.
        TooFewRows
            With the number of rows that would do.
        """
        table = rows_from_array(rows)
        names = tuple(columns if columns is not None else _own_columns(rows, table.shape[1]))
        if len(names) != table.shape[1]:
            raise RowsRefused(f"{len(names)} names were given for {table.shape[1]} columns")
        check_columns(names)
        times = None if timestamps is None else _times(timestamps)
        if times is not None:
            check_times(times, len(table))
        period = (times[0], times[-1]) if times else None
        data = TrainingSet(table, names, {}, period)
        plan = plan_training(self._kind, self._options, self._threshold, rows=len(table))
        self._trained = train(data, plan, self._hooks)
        self._served = served_detector(self._trained)
        return self

    def detect(self, rows: ArrayLike, context: ArrayLike | None = None) -> Detection:
        """Score rows, each by itself and the rows before it.

        Parameters
        ----------
        rows
            `(n, c)` finite numbers, oldest first; a data frame is put in the detector's order of columns.
        context
            Rows just before them; with at least `warmup_rows` of them, the first row is scored too.

        Returns
        -------
        Detection
            `scores (n,)`, `labels (n,)`, `severity (n,)`, `contributions (n, c)`; NaN scores and labels of 0 where
            too few rows came before.

        Raises
        ------
        NotFitted, RowsRefused
        """
        served = self._ready()
        table = _ordered(rows, served, what="rows")
        before = None if context is None else _ordered(context, served, what="context")
        return served.detect(table, served.threshold.value, before)

    @property
    def threshold(self) -> Threshold:
        """The limit and the figures behind it."""
        return self._ready().threshold

    @property
    def columns(self) -> tuple[str, ...]:
        """Sensors, in the order of `contributions`."""
        return self._ready().column_names

    @property
    def warmup_rows(self) -> int:
        """Rows before a row that its score depends on."""
        return self._ready().scorer.warmup_rows

    @property
    def card(self) -> Mapping[str, JSON]:
        """What the detector says of itself: kind and why, options, division of the rows, threshold, training."""
        return self._ready().card

    def save(
        self,
        path: Path | str,
        *,
        name: str = "detector",
        version: str = "1",
        key: SigningKey | None = None,
        clock: Clock | None = None,
    ) -> str:
        """Write a signed bundle to the folder `path`; returns its digest.

        Parameters
        ----------
        name, version
            1 to 64 letters, digits, dots, dashes and underscores.
        key
            Signs the bundle; the key of `FUTAGO_HOME` unless given, made there at first use.

        Raises
        ------
        NotFitted
            If it was not fitted here; a loaded bundle is copied, not saved again.
        BundleMalformed
            If the name or version is unsafe, or the folder holds something else.
        """
        if self._trained is None:
            raise NotFitted("only a detector that was fitted here can be saved")
        signer = key or KeySettings().signing_key()
        created_at = rfc3339((clock or SystemClock()).now())
        info = write_detector(Path(path), self._trained, name=name, version=version, created_at=created_at, key=signer)
        return info.digest

    @classmethod
    def load(cls, path: Path | str, trust: TrustStore | None = None) -> Self:
        """Read a bundle after checking its signature and every file; neither torch nor the training data is needed.

        Parameters
        ----------
        trust
            Keys whose bundles are accepted; those enrolled in `FUTAGO_HOME` unless given.

        Raises
        ------
        BundleMalformed, BundleUnsigned, BundleUntrustedKey, BundleAltered
            If it is not such a bundle.
        """
        served = read_detector(open_bundle(Path(path), trust or KeySettings().trust()))
        detector = cls(str(served.card["kind"]))
        detector._served = served
        return detector

    def _ready(self) -> ServedDetector:
        if self._served is None:
            raise NotFitted("the detector has to be fitted or loaded first")
        return self._served


def _ordered(rows: ArrayLike, served: ServedDetector, *, what: str) -> NDArray[np.float64]:
    table = rows_from_array(rows, what=what)
    if table.shape[1] != len(served.columns):
        fault = Fault(f"/{what}", f"{table.shape[1]} columns where {len(served.columns)} are needed")
        raise RowsRefused(f"the {what} have the wrong number of columns", faults=[fault])
    names = getattr(rows, "columns", None)
    if names is None:
        return table
    return np.ascontiguousarray(table[:, column_order([str(name) for name in names], served.column_names)])


def _own_columns(rows: ArrayLike, count: int) -> list[str]:
    names = getattr(rows, "columns", None)
    return [f"s{i + 1}" for i in range(count)] if names is None else [str(name) for name in names]


def _times(timestamps: Sequence[datetime] | NDArray[np.datetime64]) -> list[datetime]:
    if isinstance(timestamps, np.ndarray):
        moments: list[datetime] = timestamps.astype("datetime64[us]").tolist()
    else:
        moments = list(timestamps)
    return [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in moments]


def _ignore(_epoch: Epoch) -> None:
    return None


def _never() -> bool:
    return False
