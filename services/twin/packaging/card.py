"""The card of a package: how the model was trained, how good it is on rows it never saw, and how that was found."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from services.twin.packaging.calibration import DEFAULT_LEVEL, ChosenInterval
from services.twin.packaging.evidence import FOLDS, Evidence, Source, Unseen
from services.twin.packaging.parity import ParityReport
from services.twin.packaging.reference import Reference, Vector
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
_JUDGED = (
    f"each of {FOLDS} folds of the calibration rows was judged under a calibration made without it"
    ", and with models fitted without it; the calibration that is served uses all of them"
)
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def training_card(
    *,
    reference: Reference,
    data: TrainingData,
    evidence: Evidence,
    interval: ChosenInterval,
    parity: ParityReport,
    features: Sequence[Feature],
) -> dict[str, JSON]:
    """Put together what the manifest's card says about a regressor."""
    unseen = evidence.unseen()
    return {
        "model": reference.describe(),
        "training": {
            "rows": len(data.rows),
            "data_sha256": data.digest(),
            "target": _distribution(data.target),
            "features": {
                feature.name: _distribution(column) for feature, column in zip(features, data.rows.T, strict=True)
            },
            "fit": _metrics(data.target, data.target - reference.predict(data.rows)),
        },
        "metrics": {
            "source": evidence.source.value,
            **_metrics(unseen.actual, unseen.errors),
            "folds": _across_folds(unseen),
        },
        "interval": _interval(evidence.source, interval),
        "exactness": asdict(parity),
        "warnings": list(_warnings(features)),
    }


def _interval(source: Source, interval: ChosenInterval) -> dict[str, JSON]:
    evaluation: list[JSON] = [
        {"method": found.method.value, "level": found.level, **asdict(found.report)} for found in interval.evaluation
    ]
    return {
        "method": interval.calibration.method.value,
        "level": DEFAULT_LEVEL,
        "floor": interval.calibration.floor,
        "calibration": {"source": source.value, "rows": interval.rows, "statement": _STATEMENTS[source]},
        "judged": _JUDGED,
        "evaluation": evaluation,
        "selection": None if interval.selection is None else {"level": DEFAULT_LEVEL, **asdict(interval.selection)},
    }


def _across_folds(unseen: Unseen) -> dict[str, JSON]:
    """How much the error differs from fold to fold: what the RMSE of other rows may be."""
    rmse = [float(np.sqrt(np.mean(np.square(unseen.errors[unseen.fold == fold])))) for fold in range(FOLDS)]
    values: list[JSON] = list(rmse)
    return {"rmse": values, "mean": float(np.mean(rmse)), "std": float(np.std(rmse, ddof=1))}


def _distribution(values: Vector) -> dict[str, JSON]:
    quantiles: dict[str, JSON] = {
        f"{share:g}": float(value) for share, value in zip(_QUANTILES, np.quantile(values, _QUANTILES), strict=True)
    }
    return {
        "minimum": float(values.min()),
        "maximum": float(values.max()),
        "mean": float(values.mean()),
        "std": float(values.std()),
        "quantiles": quantiles,
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
