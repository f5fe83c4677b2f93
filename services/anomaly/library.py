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
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.anomaly.adapters.detector_bundle import read_detector, served_detector, write_detector
from services.anomaly.adapters.onnx_detector import OnnxResidualModel
from services.anomaly.domain.detection import Detection
from services.anomaly.domain.images import ImagesRefused, are_images, as_images, read_images
from services.anomaly.domain.options.reading import check_options
from services.anomaly.domain.preparation_off import check_off_column, read_off_rule
from services.anomaly.domain.report import TrainingReport
from services.anomaly.domain.rows import (
    RowsRefused,
    check_columns,
    check_context_order,
    column_order,
    rows_from_array,
    times_from_array,
)
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.threshold_rules import read_unlabelled_rule
from services.anomaly.domain.thresholds import Threshold
from services.anomaly.domain.trained import Trained
from services.anomaly.domain.training_plan import plan_training
from services.anomaly.training import from_files as from_files  # noqa: PLC0414 (for command lines)
from services.anomaly.training.pipeline import Hooks, TrainingSet, train
from shared.clock import Clock, SystemClock, rfc3339
from shared.errors import JSON, AppError, Fault, Kind
from shared.onnx.bundle import open_bundle
from shared.onnx.settings import KeySettings
from shared.onnx.signing import SigningKey, TrustStore

if TYPE_CHECKING:
    from services.anomaly.training.fit import Epoch


Timestamps: TypeAlias = Sequence[datetime] | NDArray[np.datetime64]


class NotFitted(AppError):
    """A detector was asked to score or to be saved before it was fitted."""

    kind, code = Kind.CONFLICT, "anomaly.not_fitted"


class Detector:
    """Learns normal rows and scores later ones.

    Parameters
    ----------
    kind
        `auto`, which chooses and says why on the card, or a name of `DetectorKind`, such as `pca` or `transformer`.
    threshold
        How the limit is set, as `{"method": name, setting: number}`: `margin` (`factor`), `percentile` (`q`), `sigma`
        (`k`), `fpr` (`max_fpr`), `pot` (`risk`) or `value` (`value`). Left out, the kind's own.
    off
        When the machine is off, as `{"column": name, "below" or "above": number, "margin_rows": number}`: such rows,
        and as many after each restart, are neither learned nor scored.
    on_epoch, should_stop
        Told after every epoch of a network; asked before every epoch and about once a second within one.
    options
        Settings of the kind, such as `smoothing_rows` or `epochs`; `None` or `"auto"` is the default.

    Raises
    ------
    KindUnknown, OptionsRefused, RuleRefused, OffRuleRefused
        At once, before any row is seen.
    """

    def __init__(
        self,
        kind: str = "auto",
        *,
        threshold: Mapping[str, JSON] | None = None,
        off: Mapping[str, JSON] | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        **options: JSON,
    ) -> None:
        check_options(kind, options)
        self._kind = kind
        self._options = options
        self._threshold = threshold
        if threshold is not None:
            read_unlabelled_rule(threshold)
        self._off = None if off is None else read_off_rule(off)
        self._hooks = Hooks(OnnxResidualModel, on_epoch or _ignore, should_stop or _never)
        self._trained: Trained | None = None
        self._served: ServedDetector | None = None

    def fit(
        self,
        rows: ArrayLike,
        timestamps: Timestamps | None = None,
        columns: Sequence[str] | None = None,
    ) -> Self:
        """Learn from normal rows.

        Parameters
        ----------
        rows
            `(n, c)` numbers, oldest first; an array, lists, or a data frame. NaN is a missing reading. Or images
            `(n, h, w)` or `(n, h, w, c)`, which come without timestamps and columns.
        timestamps
            `(n,)`, increasing; without a zone they are read as UTC. With them, pauses are seen and a daily or other
            clock pattern is taken out.
        columns
            Names of the sensors; by default those of the data frame, otherwise `s1, s2, …`.

        Raises
        ------
        RowsRefused, ImagesRefused
            If rows, columns or times cannot be used.
        TooFewRows, TooFewUsableRows
            With the number of rows that would do, or with what was wrong with those there are.
        """
        if are_images(rows):
            return self._fit_images(rows, named=columns is not None, timed=timestamps is not None)
        table = rows_from_array(rows)
        names = tuple(columns if columns is not None else _own_columns(rows, table.shape[1]))
        if len(names) != table.shape[1]:
            raise RowsRefused(f"{len(names)} names were given for {table.shape[1]} columns")
        check_columns(names)
        check_off_column(self._off, names)
        times = None if timestamps is None else times_from_array(timestamps, len(table))
        period = None if times is None or not len(times) else (_moment(times[0]), _moment(times[-1]))
        data = TrainingSet(table, names, {}, period, times, self._off)
        plan = plan_training(self._kind, self._options, self._threshold, rows=len(table), sensors=table.shape[1])
        self._trained = train(data, plan, self._hooks)
        self._served = served_detector(self._trained)
        return self

    def _fit_images(self, images: ArrayLike, *, named: bool, timed: bool) -> Self:
        if named or timed or self._off is not None:
            raise ImagesRefused("images have neither columns nor timestamps, and no machine is off in them")
        rows, shape = read_images(images)
        plan = plan_training(self._kind, self._options, self._threshold, rows=len(rows), image_shape=shape)
        self._trained = train(TrainingSet(rows, shape.columns(), {}), plan, self._hooks)
        self._served = served_detector(self._trained)
        return self

    def detect(
        self,
        rows: ArrayLike,
        context: ArrayLike | None = None,
        timestamps: Timestamps | None = None,
        context_timestamps: Timestamps | None = None,
    ) -> Detection:
        """Score rows, each by itself and the rows before it.

        Parameters
        ----------
        rows
            `(n, c)` numbers, oldest first; a data frame is put in the detector's order of columns. NaN is a missing
            reading. Or images, of a detector that learned images; `contributions` then have their shape.
        context
            Rows just before them; with at least `lookback_rows` of them, the scores are those of one long call.
        timestamps, context_timestamps
            Of the rows and of the context, increasing. Without the latter, the context ends one usual step before the
            rows.

        Returns
        -------
        Detection
            `scores (n,)`, `labels (n,)`, `severity (n,)`, `contributions (n, c)`, `usable (n,)`; scores of NaN and
            labels of 0 where a row is not usable, and in `reasons (n,)` why.

        Raises
        ------
        NotFitted, RowsRefused
        TimesMissing
            If the detector goes by the time of day and no timestamps are given.
        """
        served = self._ready()
        given = _given(served, rows, context, timestamps, context_timestamps)
        detection = served.detect(
            given.rows, served.threshold.value, given.context, times=given.times, context_times=given.context_times
        )
        if served.image_shape is None or not are_images(rows):
            return detection
        heat = as_images(detection.contributions, served.image_shape, grey_channel=np.ndim(rows) == 4)
        return replace(detection, contributions=heat)

    def attention(
        self,
        rows: ArrayLike,
        context: ArrayLike | None = None,
        timestamps: Timestamps | None = None,
        context_timestamps: Timestamps | None = None,
    ) -> NDArray[np.float64]:
        """Which sensors the model looked at for each row; only a `transformer` can say so.

        It is no explanation of a score: contributions are.

        Parameters
        ----------
        rows, context, timestamps, context_timestamps
            As for `detect`.

        Returns
        -------
        NDArray
            `(n, c)`: share of the attention that each sensor received, not negative and 1 in sum; NaN where too few
            rows came before, or some that are not usable.

        Raises
        ------
        NotFitted, RowsRefused, TimesMissing
            As for `detect`.
        AttentionMissing
            If the kind has no attention.
        """
        served = self._ready()
        given = _given(served, rows, context, timestamps, context_timestamps)
        return served.attention(given.rows, given.context, times=given.times, context_times=given.context_times)

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
    def lookback_rows(self) -> int:
        """Rows of context with which a call gets what one long call gets: the warm-up, and what decides about gaps."""
        return self._ready().lookback_rows

    @property
    def report(self) -> TrainingReport | None:
        """What its training left behind to look at; none in old bundles."""
        return self._ready().report

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


@dataclass(frozen=True, slots=True)
class _Given:
    """Rows and context in the detector's order of columns, `(n, c)` and `(m, c)`, and their times [µs since 1970]."""

    rows: NDArray[np.float64]
    context: NDArray[np.float64] | None
    times: NDArray[np.int64] | None
    context_times: NDArray[np.int64] | None


def _given(
    served: ServedDetector,
    rows: ArrayLike,
    context: ArrayLike | None,
    timestamps: Timestamps | None,
    context_timestamps: Timestamps | None,
) -> _Given:
    table = _ordered(rows, served, what="rows")
    before = None if context is None else _ordered(context, served, what="context")
    times = None if timestamps is None else times_from_array(timestamps, len(table))
    context_times = None
    if context_timestamps is not None:
        count = 0 if before is None else len(before)
        context_times = times_from_array(context_timestamps, count, what="context_timestamps")
        check_context_order(context_times, times)
    return _Given(table, before, times, context_times)


def _ordered(rows: ArrayLike, served: ServedDetector, *, what: str) -> NDArray[np.float64]:
    if are_images(rows):
        return _pixels(rows, served)
    table = rows_from_array(rows, what=what)
    if table.shape[1] != len(served.columns):
        fault = Fault(f"/{what}", f"{table.shape[1]} columns where {len(served.columns)} are needed")
        raise RowsRefused(f"the {what} have the wrong number of columns", faults=[fault])
    names = getattr(rows, "columns", None)
    if names is None:
        return table
    return np.ascontiguousarray(table[:, column_order([str(name) for name in names], served.column_names)])


def _pixels(images: ArrayLike, served: ServedDetector) -> NDArray[np.float64]:
    table, shape = read_images(images)
    if shape != served.image_shape:
        learned = "rows" if served.image_shape is None else f"images of {served.image_shape}"
        raise ImagesRefused(f"the detector learned {learned}, not images of {shape}")
    return table


def _own_columns(rows: ArrayLike, count: int) -> list[str]:
    names = getattr(rows, "columns", None)
    return [f"s{i + 1}" for i in range(count)] if names is None else [str(name) for name in names]


def _moment(time_us: np.int64) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(time_us))


def _ignore(_epoch: Epoch) -> None:
    return None


def _never() -> bool:
    return False
