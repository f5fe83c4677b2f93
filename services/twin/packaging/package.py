"""From a fitted estimator and its rows to a signed bundle, through the exactness gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from services.twin.domain.applicability import TrainingRegion, learn_region
from services.twin.domain.bundle_layout import CALIBRATION_FILE, REGION_ARRAYS, REGION_FILE
from services.twin.packaging.calibration import IntervalChoice, choose_interval
from services.twin.packaging.card import training_card
from services.twin.packaging.convert import convert
from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.held_out import held_out_errors
from services.twin.packaging.parity import check_parity
from services.twin.packaging.reference import Matrix, Reference, Vector
from services.twin.packaging.training_data import TrainingData, read_data
from shared.clock import rfc3339
from shared.errors import JSON
from shared.onnx.arrays import pack_arrays
from shared.onnx.bundle import BundleInfo, write_bundle
from shared.onnx.json_fields import Fields
from shared.onnx.manifest import BundleKind, Distribution, Feature, Manifest, Target
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
        If a key is missing or unknown, or a value makes no sense.
    """
    listed: list[JSON] = [_plain(feature) for feature in features]
    fields = Fields({"features": listed, "target": _plain(target)}, "description")
    return Description(name, version, fields.items("features", Feature.of), fields.item("target", Target.of))


def build_package(
    estimator: BaseEstimator,
    X: ArrayLike | Any,
    y: ArrayLike,
    *,
    description: Description,
    scaler: BaseEstimator | None,
    interval: IntervalChoice,
    calibration: Calibration,
    out: Path,
    key: SigningKey,
    now: datetime,
) -> BundleInfo:
    """Convert, prove, calibrate, sign and write; see `services.twin.library.package` for what the arguments mean."""
    names = [feature.name for feature in description.features]
    data = read_data(X, y, names)
    _check_order(estimator, names)
    reference = Reference(estimator, scaler)
    converted = convert(estimator, scaler)
    if converted.graph.input.shape != (None, len(names)):
        raise DataUnusable(f"the estimator was fitted on {converted.graph.input.shape[1]} features, not {len(names)}")
    session = OnnxSession(converted.data, converted.graph)
    parity = check_parity(session, reference, data.rows, [feature.resolution for feature in description.features])
    held_out = held_out_errors(reference, data.rows, data.target, _held_back(calibration, names))
    chosen = choose_interval(held_out, interval)
    features = _with_training(description.features, data.rows)
    manifest = Manifest(
        kind=BundleKind.REGRESSOR,
        name=description.name,
        version=description.version,
        created_at=rfc3339(now),
        features=features,
        graph=converted.graph,
        target=description.target,
        card=training_card(
            reference=reference, data=data, held_out=held_out, interval=chosen, parity=parity, features=features
        ),
    )
    files = {
        converted.graph.file: converted.data,
        CALIBRATION_FILE: pack_arrays({"scores": chosen.calibration.scores}),
        REGION_FILE: pack_arrays(_region_arrays(learn_region(data.rows))),
    }
    return write_bundle(out, manifest, files, key)


def _check_order(estimator: BaseEstimator, names: list[str]) -> None:
    """Refuse features in another order than the table that the estimator was fitted on had them."""
    fitted = list(map(str, getattr(estimator, "feature_names_in_", ())))
    if fitted != names and sorted(fitted) == sorted(names):
        raise DataUnusable("the features must be in the order in which the estimator was fitted", fitted=fitted)


def _held_back(calibration: Calibration, names: list[str]) -> float | tuple[Matrix, Vector] | None:
    if not isinstance(calibration, tuple):
        return calibration
    held_back: TrainingData = read_data(*calibration, names)
    return held_back.rows, held_back.target


def _with_training(features: Sequence[Feature], rows: Matrix) -> tuple[Feature, ...]:
    return tuple(
        replace(
            feature,
            training=Distribution(float(column.min()), float(column.max()), float(column.mean()), float(column.std())),
        )
        for feature, column in zip(features, rows.T, strict=True)
    )


def _region_arrays(region: TrainingRegion) -> dict[str, Vector]:
    return {name: np.asarray(getattr(region, name), np.float64) for name in REGION_ARRAYS}


def _plain(mapping: Mapping[str, JSON]) -> dict[str, JSON]:
    """Tuples as lists and numpy's numbers as Python's, as JSON has them."""
    return {name: _plain_value(value) for name, value in mapping.items()}


def _plain_value(value: Any) -> JSON:
    if isinstance(value, tuple | list):
        return [_plain_value(item) for item in value]
    plain: JSON = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    return plain
