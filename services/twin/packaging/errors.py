"""Why an estimator was not packaged."""

from sklearn.exceptions import NotFittedError

from shared.errors import AppError, Kind


class EstimatorUnsupported(AppError):
    """There is no exact conversion for this estimator or scaler."""

    kind, code = Kind.UNSUPPORTED, "twin.estimator_unsupported"


class EstimatorNotFitted(AppError, NotFittedError):  # type: ignore[misc] # scikit-learn has no types
    """The estimator or scaler was never fitted."""

    kind, code = Kind.INVALID, "twin.estimator_not_fitted"


class DataUnusable(AppError):
    """The rows do not fit the estimator, the features or the target."""

    kind, code = Kind.INVALID, "twin.data_unusable"


class NotExact(AppError):
    """The graph does not predict what the estimator predicts."""

    kind, code = Kind.INVALID, "twin.not_exact"
