"""From a fitted estimator and its rows to a signed bundle, through the exactness gate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from services.twin.domain.applicability import TrainingRegion, learn_region
from services.twin.domain.bundle_layout import (
    CALIBRATION_FILE,
    FALLBACK_ARRAYS,
    FALLBACK_FILE,
    REGION_ARRAYS,
    REGION_FILE,
)
from services.twin.domain.fail_safe import FailSafe, FailSafePolicy
from services.twin.domain.fallback import LinearSurrogate
from services.twin.domain.live_settings import LiveSettings
from services.twin.packaging.calibration import IntervalChoice, check_choice, choose_interval
from services.twin.packaging.card import training_card
from services.twin.packaging.convert import convert
from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.graph import ConvertedModel
from services.twin.packaging.held_out import gather_evidence
from services.twin.packaging.parity import check_parity
from services.twin.packaging.reference import Matrix, Reference
from services.twin.packaging.slim import SlimBudget, slim_down
from services.twin.packaging.surrogate import fit_surrogate
from services.twin.packaging.training_data import TrainingData, read_data
from shared.clock import rfc3339
from shared.errors import JSON
from shared.onnx.arrays import pack_arrays
from shared.onnx.bundle import BundleInfo, check_replaceable, write_bundle
from shared.onnx.json_fields import Fields
from shared.onnx.manifest import (
    BundleKind,
    Distribution,
    Feature,
    Manifest,
    Target,
    check_distinct,
    check_name,
)
from shared.onnx.session import OnnxSession
from shared.onnx.signing import SigningKey

Calibration = float | tuple[ArrayLike, ArrayLike] | None


@dataclass(frozen=True, slots=True)
class Description:
    """What the numbers mean: the model's name, and names, units and ranges of what it takes and gives."""

    name: str
    version: str
    features: tuple[Feature, ...]
    target: Target


def describe(
    name: str, version: str, features: Sequence[Mapping[str, JSON]], target: Mapping[str, JSON]
) -> Description:
    """Read the description a user writes.

    Parameters
    ----------
    features
        One mapping per column: `name`, and optionally `unit`, `valid_range` (lowest, highest) and `resolution`.
    target
        `name`, and optionally `unit`.

    Raises
    ------
    BundleMalformed
        If a key is missing or unknown, a value makes no sense, or two features have the same name.
    """
    listed: list[JSON] = [_plain_value(feature) for feature in features]
    fields = Fields(
        {"name": name, "version": version, "features": listed, "target": _plain_value(target)}, "description"
    )
    for what in ("name", "version"):
        check_name(what, fields.text(what))
    described = fields.items("features", Feature.of)
    check_distinct(described)
    return Description(name, version, described, fields.item("target", Target.of))


def build_package(
    estimator: BaseEstimator,
    X: ArrayLike | Any,
    y: ArrayLike,
    *,
    description: Description,
    scaler: BaseEstimator | None,
    interval: IntervalChoice,
    calibration: Calibration,
    selection: Mapping[str, JSON] | None = None,
    out: Path,
    key: SigningKey,
    now: datetime,
    fail_safe: FailSafe | None = None,
    live: LiveSettings | None = None,
    slim: SlimBudget | None = None,
) -> BundleInfo:
    """Convert, prove, calibrate, sign and write; see `services.twin.library.package` for what the arguments mean."""
    # Whatever can be refused is refused at once, and not after minutes of refitting.
    check_choice(interval)
    check_replaceable(out)
    names = [feature.name for feature in description.features]
    data = read_data(X, y, names)
    _check_order(estimator, names)
    reference = Reference(estimator, scaler)
    _check_width(convert(estimator, scaler, features=len(names)), names)
    held_back = _held_back(calibration, names)
    slimmed = None if slim is None else slim_down(reference, data, _rows_of(held_back), slim)
    if slimmed is not None:
        reference = slimmed.reference
    evidence = gather_evidence(reference, data, held_back)
    chosen = choose_interval(evidence, interval)
    converted = convert(reference.estimator, reference.scaler, chosen.aids, features=len(names))
    if slimmed is not None:
        converted = slimmed.store(converted)
    parity = check_parity(
        OnnxSession(converted.data, converted.graph),
        converted,
        reference,
        data.rows,
        [feature.resolution for feature in description.features],
        extra={output: Reference(model) for output, model in chosen.aids.items()},
    )
    features = _with_training(description.features, data.rows)
    fail_safe = fail_safe or FailSafe()
    fallback = fit_surrogate(data, names) if fail_safe.policy is FailSafePolicy.FALLBACK else None
    card = training_card(
        reference=reference, data=data, evidence=evidence, interval=chosen, parity=parity, features=features
    )
    card["fail_safe"] = fail_safe.to_json()
    files = {
        converted.graph.file: converted.data,
        CALIBRATION_FILE: pack_arrays({"scores": chosen.calibration.scores}),
        REGION_FILE: pack_arrays(_fields(learn_region(data.rows), REGION_ARRAYS)),
    }
    if selection is not None:
        card["selection"] = selection
    if live is not None:
        card["live"] = live.to_json()
    if slimmed is not None:
        card["slim"] = slimmed.card
    if fallback is not None:
        card["fallback"] = fallback.card
        files[FALLBACK_FILE] = pack_arrays(_fields(fallback.surrogate, FALLBACK_ARRAYS))
    manifest = Manifest(
        kind=BundleKind.REGRESSOR,
        name=description.name,
        version=description.version,
        created_at=rfc3339(now),
        features=features,
        graph=converted.graph,
        target=description.target,
        card=card,
    )
    return write_bundle(out, manifest, files, key)


def _check_width(converted: ConvertedModel, names: list[str]) -> None:
    if converted.graph.input.shape != (None, len(names)):
        raise DataUnusable(f"the estimator was fitted on {converted.graph.input.shape[1]} features, not {len(names)}")


def _check_order(estimator: BaseEstimator, names: list[str]) -> None:
    """Refuse features in another order than the table that the estimator was fitted on had them."""
    fitted = list(map(str, getattr(estimator, "feature_names_in_", ())))
    if fitted != names and sorted(fitted) == sorted(names):
        raise DataUnusable("the features must be in the order in which the estimator was fitted", fitted=fitted)


def _held_back(calibration: Calibration, names: list[str]) -> float | TrainingData | None:
    match calibration:
        case (rows, target):
            return read_data(rows, target, names)
        case None | int() | float():
            return calibration
    raise DataUnusable("calibration must be a share between 0 and 1 or a pair (X, y) of rows the estimator never saw")


def _with_training(features: Sequence[Feature], rows: Matrix) -> tuple[Feature, ...]:
    return tuple(
        replace(
            feature,
            training=Distribution(float(column.min()), float(column.max()), float(column.mean()), float(column.std())),
        )
        for feature, column in zip(features, rows.T, strict=True)
    )


def _rows_of(held_back: float | TrainingData | None) -> TrainingData | None:
    return held_back if isinstance(held_back, TrainingData) else None


def _fields(record: TrainingRegion | LinearSurrogate, names: Iterable[str]) -> dict[str, NDArray[np.float64]]:
    return {name: np.asarray(getattr(record, name), np.float64) for name in names}


def _plain_value(value: Any) -> JSON:
    """Tuples as lists and numpy's numbers as Python's, as JSON has them."""
    if isinstance(value, Mapping):
        return {name: _plain_value(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain_value(item) for item in value]
    plain: JSON = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    return plain
