"""Errors on rows that a model never saw: the only errors that may calibrate an interval.

Three sources, in order of strength: rows that the caller held back; rows held back here from a refit; out-of-fold
predictions of refits. An estimator's own training rows are never used, however it was fitted.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from sklearn.model_selection import KFold, train_test_split

from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.reference import Matrix, Reference, Vector

FOLDS = 5

_SEED = 5


class Source(StrEnum):
    """Where the errors come from."""

    HELD_OUT = "held_out"
    """Rows the caller held back; the served model itself was measured."""
    REFIT_SPLIT = "refit_split"
    """A share of the rows, predicted by the same recipe fitted on the others."""
    OUT_OF_FOLD = "out_of_fold"
    """Every row, predicted by the same recipe fitted on four fifths of the others."""


@dataclass(frozen=True, slots=True)
class HeldOutErrors:
    """Errors of unseen rows.

    Parameters
    ----------
    errors
        `(n,)` measured minus predicted [unit of the target].
    target
        `(n,)` what was measured.
    spreads
        `(n,)` spread over the trees at these rows; `None` for a model without trees.
    """

    source: Source
    errors: Vector
    target: Vector
    spreads: Vector | None


def held_out_errors(
    reference: Reference, rows: Matrix, target: Vector, calibration: float | tuple[Matrix, Vector] | None
) -> HeldOutErrors:
    """Measure on unseen rows, as `calibration` asks.

    Parameters
    ----------
    rows, target
        What the estimator was fitted on.
    calibration
        Rows and target that the estimator never saw; or the share of `rows` to hold back from a refit, in (0, 1); or
        `None` for five-fold out-of-fold errors.

    Raises
    ------
    DataUnusable
        If the share is no share, or there are too few rows to refit.
    """
    if isinstance(calibration, tuple):
        return _measure(Source.HELD_OUT, reference, *calibration)
    if len(rows) < 2 * FOLDS:
        raise DataUnusable(f"refitting needs at least {2 * FOLDS} rows, there are {len(rows)}", needed=2 * FOLDS)
    if calibration is None:
        return _out_of_fold(reference, rows, target)
    if not 0.0 < calibration < 1.0:
        raise DataUnusable(f"calibration must be a share between 0 and 1 or a pair (X, y), not {calibration!r}")
    seen, unseen = train_test_split(np.arange(len(rows)), test_size=calibration, random_state=_SEED)
    refit = reference.refit(rows[seen], target[seen])
    return _measure(Source.REFIT_SPLIT, refit, rows[unseen], target[unseen])


def _out_of_fold(reference: Reference, rows: Matrix, target: Vector) -> HeldOutErrors:
    """Predict each fold with the recipe fitted on the others (cross-validation residuals).

    References
    ----------
    .. [1] Barber et al. (2021), Predictive Inference with the Jackknife+, Annals of Statistics 49(1), arXiv:1905.02928
    """
    parts, order = [], []
    for seen, unseen in KFold(FOLDS, shuffle=True, random_state=_SEED).split(rows):
        refit = reference.refit(rows[seen], target[seen])
        parts.append(_measure(Source.OUT_OF_FOLD, refit, rows[unseen], target[unseen]))
        order.append(unseen)
    back = np.argsort(np.concatenate(order))
    spreads = [part.spreads for part in parts if part.spreads is not None]
    return HeldOutErrors(
        Source.OUT_OF_FOLD,
        errors=np.concatenate([part.errors for part in parts])[back],
        target=target,
        spreads=np.concatenate(spreads)[back] if spreads else None,
    )


def _measure(source: Source, reference: Reference, rows: Matrix, target: Vector) -> HeldOutErrors:
    return HeldOutErrors(source, target - reference.predict(rows), target, reference.spread(rows))
