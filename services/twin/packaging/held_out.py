"""Which rows the model never saw, as whoever packages it says."""

import numpy as np
from sklearn.model_selection import train_test_split

from services.twin.packaging.cross_fit import CrossFitted
from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.evidence import FOLDS, Evidence, Source
from services.twin.packaging.held_back import HeldBack
from services.twin.packaging.reference import Reference
from services.twin.packaging.training_data import TrainingData

_SEED = 5


def gather_evidence(reference: Reference, data: TrainingData, calibration: float | TrainingData | None) -> Evidence:
    """Find unseen rows, as `calibration` asks.

    Parameters
    ----------
    data
        What the estimator was fitted on.
    calibration
        Rows that the estimator never saw; or the share of `data` to hold back from a refit, in (0, 1); or `None` for
        out-of-fold predictions of refits.

    Raises
    ------
    DataUnusable
        If the share is no share, there are too few rows to refit, or the model cannot be refitted.
    """
    if isinstance(calibration, TrainingData):
        return HeldBack(Source.HELD_OUT, reference, data, calibration)
    if not reference.can_refit:
        raise DataUnusable(
            "a model of this kind cannot be fitted again: give rows that it never saw as calibration=(X, y)"
        )
    if len(data.rows) < 2 * FOLDS:
        raise DataUnusable(f"refitting needs at least {2 * FOLDS} rows, there are {len(data.rows)}", needed=2 * FOLDS)
    if calibration is None:
        return CrossFitted(reference, data)
    if not 0.0 < calibration < 1.0:
        raise DataUnusable(f"calibration must be a share between 0 and 1 or a pair (X, y), not {calibration!r}")
    seen, unseen = train_test_split(np.arange(len(data.rows)), test_size=calibration, random_state=_SEED)
    refit = reference.refit(data.rows[seen], data.target[seen])
    return HeldBack(Source.REFIT_SPLIT, refit, data.part(seen), data.part(unseen))
