"""The families of detector, by the names that the API gives them."""

from enum import StrEnum

from shared.errors import AppError, Fault, Kind

AUTO = "auto"


class DetectorKind(StrEnum):
    """Families that can be trained."""

    MAHALANOBIS = "mahalanobis"
    PCA = "pca"
    AUTOENCODER = "autoencoder"
    SPARSE_AUTOENCODER = "sparse_autoencoder"
    DENOISING_AUTOENCODER = "denoising_autoencoder"
    VAE = "vae"
    LSTM_AUTOENCODER = "lstm_autoencoder"
    LSTM_VAE = "lstm_vae"
    CONV_AUTOENCODER = "conv_autoencoder"
    TRANSFORMER = "transformer"
    USAD = "usad"
    OMNI_ANOMALY = "omni_anomaly"
    CNN_FORECASTER = "cnn_forecaster"
    LSTM_FORECASTER = "lstm_forecaster"
    FANOGAN = "fanogan"
    EGBAD = "egbad"
    ANOGAN = "anogan"
    ISOLATION_FOREST = "isolation_forest"

    @property
    def realtime(self) -> bool:
        """Whether a score takes so little time that a caller, or a stream, can wait for it."""
        # AnoGAN takes hundreds of steps of gradient descent for every row.
        return self is not DetectorKind.ANOGAN


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
