"""A detector as a signed bundle: its graph where it has one, its calibration arrays, and its card."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from services.anomaly.adapters.drift_file import DRIFT_FILE, drift_file, read_drift
from services.anomaly.adapters.forest_file import FOREST_FILE, forest_file, read_forest
from services.anomaly.adapters.onnx_detector import GRAPH_FILE, OnnxResidualModel, network_graph, read_network
from services.anomaly.adapters.preparation_file import PREPARATION_FILE, preparation_file, read_preparation
from services.anomaly.adapters.report_file import REPORT_FILE, read_report, report_file
from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.detection import ResidualModel, Scorer
from services.anomaly.domain.held_out import HeldOut
from services.anomaly.domain.images import ImageShape, ImagesRefused
from services.anomaly.domain.isolation_forest import ForestModel
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.domain.preparation import Preparation
from services.anomaly.domain.preparation_gaps import Patience
from services.anomaly.domain.scaling import Scaling, ScalingModel
from services.anomaly.domain.scores import Head, Scale
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.severity import SeverityScale
from services.anomaly.domain.thresholds import Threshold
from services.anomaly.domain.trained import Column, Trained
from shared.clock import rfc3339
from shared.errors import JSON
from shared.onnx.arrays import unpack_arrays
from shared.onnx.bundle import Bundle, BundleInfo, write_bundle
from shared.onnx.errors import BundleMalformed
from shared.onnx.json_fields import Fields
from shared.onnx.manifest import BundleKind, Distribution, Feature, Manifest
from shared.onnx.signing import SigningKey

_CALIBRATION_FILE = "calibration.npz"
_ARRAYS = ("mean", "scale", "smoothing", "averaged", "hold", "centre", "transform", "held_out", "allowance")
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
    files = {
        _CALIBRATION_FILE: _arrays(trained),
        PREPARATION_FILE: preparation_file(trained.preparation),
        REPORT_FILE: report_file(trained.full_report),
        DRIFT_FILE: drift_file(trained.reference),
    }
    if trained.network is not None:
        files[GRAPH_FILE] = trained.network.model
    if trained.forest is not None:
        files[FOREST_FILE] = forest_file(trained.forest)
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
    if (kind := card.text("kind")) not in list(DetectorKind):
        raise BundleMalformed(f"there is no detector kind {kind!r}")
    constant = _constant_columns(manifest.card)
    columns = tuple(_column(feature, constant) for feature in manifest.features)
    arrays = _read_arrays(bundle, len(columns))
    window_rows, smoothing_rows, warmup_rows = (
        card.whole(field) for field in ("window_rows", "smoothing_rows", "warmup_rows")
    )
    if window_rows < 1 or smoothing_rows < 1 or warmup_rows != window_rows + smoothing_rows - 2:
        raise BundleMalformed("the card's window, smoothing and warm-up do not belong together")
    threshold = Fields(card.mapping("threshold"), "card.threshold")
    _check_images(manifest.card.get("image_shape"), len(columns))
    model = _read_model(bundle, Scaling(arrays["mean"], arrays["scale"], ()), window_rows)
    held_out = HeldOut.measured(
        arrays["held_out"],
        warmup_rows=warmup_rows,
        training_rows=Fields(card.mapping("blocks"), "card.blocks").whole("rows"),
        allowance=float(arrays["allowance"][0]),
        sensors=len(columns),
    )
    return ServedDetector(
        name=manifest.name,
        version=manifest.version,
        digest=bundle.digest,
        columns=columns,
        preparation=_preparation(bundle, [column.name for column in columns]),
        scorer=Scorer(model, _head(arrays, smoothing_rows), SeverityScale.calibrated(held_out)),
        held_out=held_out,
        threshold=Threshold(threshold.number("value"), threshold.mapping("rule"), threshold.mapping("evidence")),
        card={**manifest.card, "created_at": manifest.created_at},
        report=read_report(bundle.read(REPORT_FILE)) if REPORT_FILE in manifest.files else None,
        reference=read_drift(bundle.read(DRIFT_FILE), len(columns)) if DRIFT_FILE in manifest.files else None,
    )


def served_detector(trained: Trained) -> ServedDetector:
    """A detector that was just trained, ready to score as its bundle would be."""
    model: ResidualModel = ScalingModel(trained.scaling)
    if trained.network is not None:
        model = OnnxResidualModel(trained.network)
    elif trained.forest is not None:
        model = ForestModel(trained.forest, trained.scaling, smoothing_rows=trained.window_rows)
    return ServedDetector(
        name="",
        version="",
        digest="",
        columns=trained.columns,
        preparation=trained.preparation,
        scorer=Scorer(model, trained.head, SeverityScale.calibrated(trained.held_out)),
        held_out=trained.held_out,
        threshold=trained.threshold,
        card=detector_card(trained),
        report=trained.full_report,
        reference=trained.reference,
    )


def detector_card(trained: Trained) -> dict[str, JSON]:
    """What a detector says of itself."""
    period = trained.period
    return {
        "kind": trained.kind.value,
        "reason": trained.reason,
        "realtime": trained.kind.realtime,
        "image_shape": None if trained.image_shape is None else trained.image_shape.to_json(),
        "window_rows": trained.window_rows,
        "smoothing_rows": trained.head.smoothing_rows,
        "warmup_rows": trained.held_out.warmup_rows,
        "preparation": trained.findings,
        "constant_columns": [column.name for column in trained.columns if column.constant],
        "options": trained.options,
        "blocks": trained.blocks.to_json(),
        "period": None if period is None else [rfc3339(moment) for moment in period],
        "threshold": trained.threshold.to_json(),
        "training": trained.report,
        "score": _SCORE_MEANING,
    }


def _read_model(bundle: Bundle, scaling: Scaling, window_rows: int) -> ResidualModel:
    graph = bundle.manifest.graph
    if graph is not None:
        sensors = len(scaling.mean)
        return OnnxResidualModel(read_network(bundle.read(graph.file), graph, window_rows=window_rows, sensors=sensors))
    if FOREST_FILE in bundle.manifest.files:
        forest = read_forest(bundle.read(FOREST_FILE), len(scaling.mean))
        return ForestModel(forest, scaling, smoothing_rows=window_rows)
    return ScalingModel(scaling)


def _preparation(bundle: Bundle, columns: Sequence[str]) -> Preparation:
    if PREPARATION_FILE not in bundle.manifest.files:
        # Bundles that were made before rows were prepared: what is missing is marked, nothing is held.
        return Preparation(tuple(columns), Patience(gap_rows=0, sensors=len(columns)))
    return read_preparation(bundle.read(PREPARATION_FILE), columns)


def _arrays(trained: Trained) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        mean=trained.scaling.mean,
        scale=trained.scaling.scale,
        smoothing=_whole([scale.smoothing_rows for scale in trained.head.scales]),
        averaged=_whole([scale.averaged_rows for scale in trained.head.scales]),
        hold=_whole([trained.head.hold_rows]),
        centre=np.stack([scale.centre for scale in trained.head.scales]),
        transform=np.stack([scale.transform for scale in trained.head.scales]),
        held_out=trained.held_out.scores,
        allowance=np.array([trained.held_out.allowance]),
    )
    return buffer.getvalue()


def _whole(numbers: Sequence[int]) -> Floats:
    return np.array(numbers, dtype=np.float64)


def _head(arrays: Mapping[str, Floats], smoothing_rows: int) -> Head:
    """The stored head, whose arrays have the right shapes."""
    lengths = [arrays[name] for name in ("smoothing", "averaged", "hold")]
    if not all(((rows >= 1) & (rows == np.round(rows))).all() for rows in lengths):
        raise BundleMalformed(f"a length of {_CALIBRATION_FILE} is no number of rows")
    scales = zip(arrays["smoothing"], arrays["centre"], arrays["transform"], arrays["averaged"], strict=True)
    head = Head(
        tuple(Scale(int(rows), centre, transform, int(averaged)) for rows, centre, transform, averaged in scales),
        int(arrays["hold"][0]),
    )
    if head.smoothing_rows != smoothing_rows:
        raise BundleMalformed(f"the smoothing of {_CALIBRATION_FILE} and of the card do not belong together")
    return head


def _read_arrays(bundle: Bundle, sensors: int) -> Mapping[str, Floats]:
    arrays = unpack_arrays(bundle.read(_CALIBRATION_FILE), _CALIBRATION_FILE, _ARRAYS)
    scales = max(arrays["smoothing"].size, 1)
    shapes = {
        "mean": (sensors,),
        "scale": (sensors,),
        "smoothing": (scales,),
        "averaged": (scales,),
        "hold": (1,),
        "centre": (scales, sensors),
        # One number a sensor where each part is made of its own residual alone.
        "transform": (scales, sensors) if arrays["transform"].ndim == 2 else (scales, sensors, sensors),
        "allowance": (1,),
    }
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


def _check_images(stated: JSON, columns: int) -> None:
    if stated is None:
        return
    try:
        shape = ImageShape.of_json(stated)
    except ImagesRefused as error:
        raise BundleMalformed("card.image_shape is no shape of images") from error
    if shape.values != columns:
        raise BundleMalformed(f"card.image_shape has {shape.values} numbers, the bundle {columns} features")


def _constant_columns(card: Mapping[str, JSON]) -> frozenset[str]:
    names = card.get("constant_columns")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BundleMalformed("card.constant_columns must be a list of names")
    return frozenset(map(str, names))
