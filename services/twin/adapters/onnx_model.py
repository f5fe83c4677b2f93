"""A checked bundle as a model that predicts: session, calibration and training region, loaded once."""

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.twin.adapters.bundle_fallback import read_fail_safe, read_fallback
from services.twin.adapters.live_card import read_expectation, read_live
from services.twin.domain.applicability import ApplicabilityCheck, TrainingRegion
from services.twin.domain.bundle_layout import (
    CALIBRATION_ARRAYS,
    CALIBRATION_FILE,
    LOWER_QUANTILE,
    OPTIONAL_REGION_ARRAYS,
    PREDICTION,
    REGION_ARRAYS,
    REGION_FILE,
    SPREAD,
    UPPER_QUANTILE,
)
from services.twin.domain.fail_safe import FailSafe, Surrogate
from services.twin.domain.features import InputReader
from services.twin.domain.intervals import Calibration, IntervalMethod, Outputs
from services.twin.domain.live_settings import LiveSettings
from services.twin.domain.observed import Expectation
from services.twin.domain.values import FeatureSpec
from shared.errors import JSON
from shared.onnx.arrays import read_arrays
from shared.onnx.bundle import Bundle
from shared.onnx.errors import BundleMalformed
from shared.onnx.json_fields import Fields
from shared.onnx.manifest import BundleKind, ElementType, Feature, Manifest, Target, Tensor
from shared.onnx.session import ModelFailed, OnnxSession

Array = NDArray[np.float64]

_TIMED_RUNS = 20
# What a call asks of the graph, named as the fields of `Outputs`: what is not asked for costs nothing.
_NEEDED_OUTPUTS = {
    IntervalMethod.SPLIT: (PREDICTION,),
    IntervalMethod.NORMALIZED: (PREDICTION, SPREAD),
    IntervalMethod.CQR: (PREDICTION, LOWER_QUANTILE, UPPER_QUANTILE),
}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model ready to predict; safe to use from several threads.

    Parameters
    ----------
    row_us
        Time one row took when the model was loaded, the best of a few [µs].
    """

    manifest: Manifest
    digest: str
    size_bytes: int
    session: OnnxSession
    reader: InputReader
    calibration: Calibration
    applicability: ApplicabilityCheck
    outputs: tuple[str, ...]
    unit: str | None
    row_us: float
    fail_safe: FailSafe = field(default_factory=FailSafe)
    fallback: Surrogate | None = None
    live: LiveSettings = field(default_factory=LiveSettings)

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def expectation(self) -> Expectation:
        return read_expectation(self.manifest.card)

    def compute(self, rows: Array) -> Outputs:
        return _compute(self.session, self.outputs, rows)


def load_model(bundle: Bundle) -> ServedModel:
    """Load a regressor; takes milliseconds to seconds, so never call it on the event loop.

    Raises
    ------
    BundleMalformed
        If the bundle is no regressor, or its parts do not fit together.
    """
    manifest = bundle.manifest
    if manifest.kind is not BundleKind.REGRESSOR:
        raise BundleMalformed(f"the twin serves regressors; this bundle is a {manifest.kind.value}")
    session = OnnxSession.of(bundle)
    columns = [tensor.name for tensor in session.graph.outputs if _is_column(tensor)]
    if PREDICTION not in columns or session.graph.input.shape != (None, len(manifest.features)):
        raise BundleMalformed("the graph must take one column per feature and return a prediction, one double a row")
    calibration = _read_calibration(bundle)
    needed = _NEEDED_OUTPUTS[calibration.method]
    if missing := [name for name in needed if name not in columns]:
        raise BundleMalformed(f"{calibration.method.value} intervals need a graph that returns {', '.join(missing)}")
    region = _read_region(bundle)
    return ServedModel(
        manifest=manifest,
        digest=bundle.digest,
        size_bytes=bundle.size_bytes,
        session=session,
        reader=InputReader([_spec(feature) for feature in manifest.features]),
        calibration=calibration,
        applicability=ApplicabilityCheck([feature.name for feature in manifest.features], region),
        outputs=needed,
        unit=_target(manifest).unit,
        row_us=_time_row(session, needed, region.mean),
        fail_safe=read_fail_safe(bundle),
        fallback=read_fallback(bundle),
        live=read_live(manifest.card),
    )


def model_card(manifest: Manifest) -> dict[str, JSON]:
    """The public card of a regressor: what it takes, what it predicts, how it was trained and how good it is."""
    document = manifest.to_json()
    return {
        **manifest.card,
        "name": manifest.name,
        "version": manifest.version,
        "training_date": manifest.created_at,
        "features": document["features"],
        "target": document["target"],
    }


def _compute(session: OnnxSession, outputs: tuple[str, ...], rows: Array) -> Outputs:
    # The tensors' names are the names of the fields.
    return Outputs(**dict(zip(outputs, session.run_only(outputs, rows), strict=True)))  # type: ignore[arg-type]


def _time_row(session: OnnxSession, outputs: tuple[str, ...], row: Array) -> float:
    rows = row[np.newaxis]
    best_s = float("inf")
    for _ in range(_TIMED_RUNS):
        start_s = time.perf_counter()
        try:
            _compute(session, outputs, rows)
        except ModelFailed as error:
            raise BundleMalformed("the graph cannot compute the mean of its own training rows") from error
        best_s = min(best_s, time.perf_counter() - start_s)
    return best_s * 1e6


def _is_column(tensor: Tensor) -> bool:
    return tensor.element_type is ElementType.FLOAT64 and tensor.shape == (None,)


def _spec(feature: Feature) -> FeatureSpec:
    return FeatureSpec(feature.name, feature.unit, feature.valid_range)


def _target(manifest: Manifest) -> Target:
    if manifest.target is None:
        raise BundleMalformed("a regressor names its target")
    return manifest.target


def _read_calibration(bundle: Bundle) -> Calibration:
    interval = Fields(bundle.manifest.card.get("interval"), "manifest.card.interval")
    method, floor = interval.text("method"), interval.number("floor")
    if method not in set(IntervalMethod) or floor < 0:
        raise BundleMalformed(f"the interval method {method!r} is unknown")
    scores = read_arrays(bundle, CALIBRATION_FILE, CALIBRATION_ARRAYS)["scores"]
    if not len(scores) or np.any(np.diff(scores) < 0) or (scores[0] < 0 and method != IntervalMethod.CQR):
        raise BundleMalformed("the calibration scores must ascend, from zero or above for errors")
    return Calibration(IntervalMethod(method), scores, floor)


def _read_region(bundle: Bundle) -> TrainingRegion:
    arrays = read_arrays(bundle, REGION_FILE, REGION_ARRAYS, optional=OPTIONAL_REGION_ARRAYS)
    features = len(bundle.manifest.features)
    arrays.setdefault("longest_run", np.zeros(features))
    if any(arrays[name].shape[:1] != (features,) for name in ("minimum", "maximum", "mean", "whitener", "longest_run")):
        raise BundleMalformed("the training region does not fit the features")
    return TrainingRegion(
        minimum=arrays["minimum"],
        maximum=arrays["maximum"],
        mean=arrays["mean"],
        whitener=arrays["whitener"],
        edge_distance=float(arrays["edge_distance"]),
        out_distance=float(arrays["out_distance"]),
        longest_run=arrays["longest_run"],
    )
