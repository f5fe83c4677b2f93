"""The card of a package: how the model was trained, how good it is on rows it never saw, and how that was found."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from services.twin.packaging.calibration import DEFAULT_LEVEL, ChosenInterval
from services.twin.packaging.held_out import FOLDS, HeldOutErrors, Source
from services.twin.packaging.parity import ParityReport
from services.twin.packaging.reference import Reference, Vector
from services.twin.packaging.scaling import split_pipeline
from services.twin.packaging.training_data import TrainingData
from shared.errors import JSON
from shared.onnx.manifest import Feature

_STATEMENTS = {
    Source.HELD_OUT: "calibrated on rows that were held back from the served model: the coverage holds for new rows "
    "that are exchangeable with them",
    Source.REFIT_SPLIT: "calibrated on rows that were held back from a refit of the same recipe; the served model was "
    "fitted on more rows, so the coverage is close to the level, usually above it",
    Source.OUT_OF_FOLD: f"calibrated on {FOLDS}-fold out-of-fold errors of refits of the same recipe; the coverage is "
    "close to the level, without the guarantee that held-back rows give",
}


def training_card(
    *,
    reference: Reference,
    data: TrainingData,
    held_out: HeldOutErrors,
    interval: ChosenInterval,
    parity: ParityReport,
    features: Sequence[Feature],
) -> dict[str, JSON]:
    """Put together what the manifest's card says about a regressor."""
    _, final = split_pipeline(reference.estimator, reference.scaler)
    return {
        "model": {
            "type": type(final).__name__,
            "library": f"scikit-learn {sklearn.__version__}",
            "parameters": _parameters(final),
        },
        "training": {
            "rows": len(data.rows),
            "data_sha256": data.digest(),
            "target": {
                "minimum": float(data.target.min()),
                "maximum": float(data.target.max()),
                "mean": float(data.target.mean()),
                "std": float(data.target.std()),
            },
            "fit": _metrics(data.target, data.target - reference.predict(data.rows)),
        },
        "metrics": {"source": held_out.source.value, **_metrics(held_out.target, held_out.errors)},
        "interval": _interval(held_out, interval),
        "exactness": asdict(parity),
        "warnings": list(_warnings(features)),
    }


def _interval(held_out: HeldOutErrors, interval: ChosenInterval) -> dict[str, JSON]:
    return {
        "method": interval.calibration.method.value,
        "level": DEFAULT_LEVEL,
        "floor": interval.calibration.floor,
        "calibration": {
            "source": held_out.source.value,
            "rows": len(held_out.errors),
            "statement": _STATEMENTS[held_out.source],
        },
        "evaluation": [
            {"method": method.value, "level": DEFAULT_LEVEL, **asdict(report)}
            for method, report in interval.reports.items()
        ],
    }


def _metrics(target: Vector, errors: Vector) -> dict[str, JSON]:
    predicted = target - errors
    return {
        "rows": len(target),
        "rmse": float(root_mean_squared_error(target, predicted)),
        "mae": float(mean_absolute_error(target, predicted)),
        # A target that never varies leaves nothing to explain.
        "r2": float(r2_score(target, predicted)) if np.ptp(target) > 0 else None,
    }


def _parameters(estimator: BaseEstimator) -> dict[str, JSON]:
    return {
        name: value if isinstance(value, bool | int | float | str | None) else repr(value)
        for name, value in estimator.get_params(deep=False).items()
    }


def _warnings(features: Sequence[Feature]) -> list[str]:
    """Things that make a model useless although every figure above looks fine."""
    warnings = []
    for feature in features:
        if feature.training is None:
            continue
        if feature.valid_range is not None and (
            feature.valid_range[1] < feature.training.minimum or feature.valid_range[0] > feature.training.maximum
        ):
            warnings.append(
                f"{feature.name}: no value in the valid range {feature.valid_range[0]:g} to {feature.valid_range[1]:g} "
                f"was in the training rows ({feature.training.minimum:g} to {feature.training.maximum:g}); are the "
                f"units the same?"
            )
        if feature.training.minimum == feature.training.maximum:
            warnings.append(f"{feature.name}: it never varied in the training rows, so the model knows nothing of it")
    return warnings
