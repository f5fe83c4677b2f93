"""The families of detector, by the names that the API gives them."""

from enum import StrEnum

from shared.errors import AppError, Fault, Kind

AUTO = "auto"


class DetectorKind(StrEnum):
    """Families that can be trained."""

    MAHALANOBIS = "mahalanobis"
    PCA = "pca"
    AUTOENCODER = "autoencoder"
    LSTM_AUTOENCODER = "lstm_autoencoder"


class HeadKind(StrEnum):
    """How residuals of a network become a score."""

    MAHALANOBIS = "mahalanobis"
    ERROR = "error"


class KindUnknown(AppError):
    """No detector of this kind can be trained."""

    kind, code = Kind.INVALID, "anomaly.kind_unknown"

    def __init__(self, kind: str) -> None:
        available = [AUTO, *DetectorKind]
        fault = Fault("/kind", f"one of {', '.join(available)}", {"available": available})
        super().__init__(f"there is no detector kind {kind!r}", faults=[fault], available=available)
