"""A detector as a signed bundle: its graph where it has one, its calibration arrays, and its card."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from services.anomaly.adapters.onnx_detector import GRAPH_FILE, OnnxResidualModel, network_graph, read_network
from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.detection import ResidualModel, Scorer
from services.anomaly.domain.scaling import Scaling, ScalingModel
from services.anomaly.domain.scores import Head
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.thresholds import HeldOut, Threshold
from services.anomaly.domain.trained import Column, Trained
from shared.clock import rfc3339
from shared.errors import JSON
from shared.onnx.bundle import Bundle, BundleInfo, write_bundle
from shared.onnx.errors import BundleMalformed
from shared.onnx.json_fields import Fields
from shared.onnx.manifest import BundleKind, Distribution, Feature, Manifest
from shared.onnx.signing import SigningKey

_CALIBRATION_FILE = "calibration.npz"
_SCORE_MEANING = "sum of the contributions; anomalous above the limit; 0 is perfectly normal"


def write_detector(
    folder: Path, trained: Trained, *, name: str, version: str, created_at: str, key: SigningKey
) -> BundleInfo:
    """Write and sign a detector's bundle.

    Raises
    ------
    BundleMalformed
        If the name or version is unsafe, or the folder holds something that is no bundle.
    """
    files = {_CALIBRATION_FILE: _arrays(trained)}
    if trained.network is not None:
        files[GRAPH_FILE] = trained.network.model
    manifest = Manifest(
        kind=BundleKind.DETECTOR,
        name=name,
        version=version,
        created_at=created_at,
        features=tuple(
            Feature(
                column.name,
                column.unit,
                training=Distribution(column.minimum, column.maximum, column.mean, column.std),
            )
            for column in trained.columns
        ),
        graph=None if trained.network is None else network_graph(trained.network),
        card=detector_card(trained),
    )
    return write_bundle(folder, manifest, files, key)


def read_detector(bundle: Bundle) -> ServedDetector:
    """Make a checked bundle ready to score. Loading a graph takes time: do it off the event loop.

    Raises
    ------
    BundleMalformed
        If the bundle is no detector, or its arrays do not belong together.
    """
    manifest = bundle.manifest
    if manifest.kind is not BundleKind.DETECTOR:
        raise BundleMalformed(f"{manifest.name!r} is a {manifest.kind}, not a detector")
    card = Fields(manifest.card, "card")
    constant = _constant_columns(manifest.card)
    columns = tuple(_column(feature, constant) for feature in manifest.features)
    arrays = _read_arrays(bundle, len(columns))
    window_rows, smoothing_rows, warmup_rows = (
        card.whole(field) for field in ("window_rows", "smoothing_rows", "warmup_rows")
    )
    if window_rows < 1 or smoothing_rows < 1 or warmup_rows != window_rows + smoothing_rows - 2:
        raise BundleMalformed("the card's window, smoothing and warm-up do not belong together")
    threshold = Fields(card.mapping("threshold"), "card.threshold")
    model: ResidualModel = (
        ScalingModel(Scaling(arrays["mean"], arrays["scale"], ()))
        if manifest.graph is None
        else OnnxResidualModel(
            read_network(
                bundle.read(manifest.graph.file), manifest.graph, window_rows=window_rows, sensors=len(columns)
            )
        )
    )
    return ServedDetector(
        name=manifest.name,
        version=manifest.version,
        digest=bundle.digest,
        columns=columns,
        scorer=Scorer(model, Head(smoothing_rows, arrays["centre"], arrays["transform"])),
        held_out=HeldOut(arrays["held_out"], warmup_rows, Fields(card.mapping("blocks"), "card.blocks").whole("rows")),
        threshold=Threshold(threshold.number("value"), threshold.mapping("rule"), threshold.mapping("evidence")),
        card={**manifest.card, "created_at": manifest.created_at},
    )


def served_detector(trained: Trained) -> ServedDetector:
    """A detector that was just trained, ready to score as its bundle would be."""
    model: ResidualModel = (
        ScalingModel(trained.scaling) if trained.network is None else OnnxResidualModel(trained.network)
    )
    return ServedDetector(
        name="",
        version="",
        digest="",
        columns=trained.columns,
        scorer=Scorer(model, trained.head),
        held_out=trained.held_out,
        threshold=trained.threshold,
        card=detector_card(trained),
    )


def detector_card(trained: Trained) -> dict[str, JSON]:
    """What a detector says of itself."""
    period = trained.period
    return {
        "kind": trained.kind.value,
        "reason": trained.reason,
        "window_rows": trained.window_rows,
        "smoothing_rows": trained.head.smoothing_rows,
        "warmup_rows": trained.held_out.warmup_rows,
        "constant_columns": [column.name for column in trained.columns if column.constant],
        "options": trained.options,
        "blocks": trained.blocks.to_json(),
        "period": None if period is None else [rfc3339(moment) for moment in period],
        "threshold": trained.threshold.to_json(),
        "training": trained.report,
        "score": _SCORE_MEANING,
    }


def _arrays(trained: Trained) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        mean=trained.scaling.mean,
        scale=trained.scaling.scale,
        centre=trained.head.centre,
        transform=trained.head.transform,
        held_out=trained.held_out.scores,
    )
    return buffer.getvalue()


def _read_arrays(bundle: Bundle, sensors: int) -> Mapping[str, Floats]:
    try:
        with np.load(io.BytesIO(bundle.read(_CALIBRATION_FILE)), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ("mean", "scale", "centre", "transform", "held_out")}
    except (KeyError, ValueError, OSError) as error:
        raise BundleMalformed(f"{_CALIBRATION_FILE} cannot be read: {error}") from error
    shapes = {"mean": (sensors,), "scale": (sensors,), "centre": (sensors,), "transform": (sensors, sensors)}
    for name, array in arrays.items():
        wrong_shape = array.ndim != 1 or not len(array) if name == "held_out" else array.shape != shapes[name]
        if array.dtype != np.float64 or wrong_shape or not np.isfinite(array).all():
            raise BundleMalformed(f"the array {name!r} of {_CALIBRATION_FILE} is not what it must be")
    if not (arrays["scale"] > 0).all():
        raise BundleMalformed(f"a scale of {_CALIBRATION_FILE} is not above 0")
    return arrays


def _column(feature: Feature, constant: frozenset[str]) -> Column:
    spread = feature.training
    if spread is None:
        raise BundleMalformed(f"the bundle says nothing of how {feature.name!r} was spread")
    return Column(
        feature.name,
        feature.unit,
        spread.minimum,
        spread.maximum,
        spread.mean,
        spread.std,
        feature.name in constant,
    )


def _constant_columns(card: Mapping[str, JSON]) -> frozenset[str]:
    names = card.get("constant_columns")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BundleMalformed("card.constant_columns must be a list of names")
    return frozenset(map(str, names))
