"""The kinds of detector there are, and every setting of each with its default and its bounds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import ClassVar, TypeAlias, cast

from shared.errors import JSON, AppError, Fault, Kind


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


AUTO = "auto"
AUTO_REASON = (
    "Mahalanobis distance of the causally smoothed sensors: on rows of several sensors over time it finds more faults "
    "at fewer false alarms than the networks here, trains in milliseconds and explains every score exactly."
)


class KindUnknown(AppError):
    """No detector of this kind can be trained."""

    kind, code = Kind.INVALID, "anomaly.kind_unknown"

    def __init__(self, kind: str) -> None:
        available = [AUTO, *DetectorKind]
        fault = Fault("/kind", f"one of {', '.join(available)}", {"available": available})
        super().__init__(f"there is no detector kind {kind!r}", faults=[fault], available=available)


class OptionsRefused(AppError):
    """An option is unknown or outside its range."""

    kind, code = Kind.INVALID, "anomaly.options_refused"


def _number(default: float, low: float, high: float) -> float:
    """Declare an option from `low` to `high`, both included; `parse_options` reads the bounds."""
    return field(default=default, metadata={"low": low, "high": high})


def _whole(default: int, low: int, high: int) -> int:
    return field(default=default, metadata={"low": low, "high": high})


def _whole_or_auto(low: int, high: int) -> int | None:
    return field(default=None, metadata={"low": low, "high": high})


@dataclass(frozen=True, slots=True, kw_only=True)
class MahalanobisOptions:
    """Mahalanobis distance of causally smoothed rows.

    Parameters
    ----------
    smoothing_rows
        Rows in the causal mean.
    eigenvalue_floor
        Smallest believed eigenvalue of the correlation matrix.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.MAHALANOBIS
    smoothing_rows: int = _whole(30, 1, 10_000)
    eigenvalue_floor: float = _number(0.1, 1e-9, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PcaOptions:
    """T² and SPE of the principal components of causally smoothed rows.

    Parameters
    ----------
    smoothing_rows
        Rows in the causal mean.
    variance
        Share of the variance that the kept components explain.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.PCA
    smoothing_rows: int = _whole(30, 1, 10_000)
    variance: float = _number(0.9, 0.01, 0.999999)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """What every network shares: its head and its training.

    Parameters
    ----------
    head
        Mahalanobis distance of causally smoothed residuals, or the raw squared error.
    smoothing_rows, eigenvalue_floor
        Of the Mahalanobis head.
    epochs, learning_rate, batch_size
        Of Adam; training stops earlier when the stop block no longer improves.
    patience_epochs
        Epochs without improvement before training stops.
    seed
        The same seed, rows and machine give the same detector.
    """

    head: HeadKind = HeadKind.MAHALANOBIS
    smoothing_rows: int = _whole(30, 1, 10_000)
    eigenvalue_floor: float = _number(0.1, 1e-9, 1.0)
    epochs: int = _whole(50, 1, 10_000)
    learning_rate: float = _number(1e-3, 1e-7, 1.0)
    batch_size: int = _whole(64, 1, 65_536)
    patience_epochs: int = _whole(10, 1, 10_000)
    seed: int = _whole(0, 0, 2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderOptions(NetworkOptions):
    """Dense autoencoder of single rows.

    Parameters
    ----------
    latent
        Width of the bottleneck; by default 30 % of the sensors, at least 1.
    hidden_layers
        Layers between the sensors and the bottleneck, each side.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.AUTOENCODER
    latent: int | None = _whole_or_auto(1, 4096)
    hidden_layers: int = _whole(2, 1, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class LstmAutoencoderOptions(NetworkOptions):
    """LSTM autoencoder of windows.

    Parameters
    ----------
    window_rows
        Rows in a window.
    hidden_units, layers, latent
        Width and depth of the encoder and the decoder, and width between them.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.LSTM_AUTOENCODER
    window_rows: int = _whole(50, 2, 1000)
    hidden_units: int = _whole(64, 1, 1024)
    layers: int = _whole(2, 1, 4)
    latent: int = _whole(32, 1, 1024)


Options: TypeAlias = MahalanobisOptions | PcaOptions | AutoencoderOptions | LstmAutoencoderOptions

_FAMILIES: Mapping[DetectorKind, type[Options]] = {
    family.kind: family for family in (MahalanobisOptions, PcaOptions, AutoencoderOptions, LstmAutoencoderOptions)
}


def parse_options(kind: str, values: Mapping[str, JSON]) -> Options:
    """Check the options of a kind; `auto` chooses the kind, and `"auto"` or null an option's default.

    Raises
    ------
    KindUnknown
        If nothing of this kind can be trained; the message lists what can.
    OptionsRefused
        If an option is unknown, of the wrong type or outside its range; all such options are listed.

    Examples
    --------
    >>> parse_options("auto", {"smoothing_rows": 10})
    MahalanobisOptions(smoothing_rows=10, eigenvalue_floor=0.1)
    """
    chosen = DetectorKind.MAHALANOBIS.value if kind == AUTO else kind
    if chosen not in set(DetectorKind):
        raise KindUnknown(kind)
    family = _FAMILIES[DetectorKind(chosen)]
    known = {item.name: item for item in fields(family)}
    given = {name: value for name, value in values.items() if value is not None and value != AUTO}
    faults = [
        Fault(f"/options/{name}", f"{chosen} has no such option", {"available": sorted(known)})
        for name in given
        if name not in known
    ]
    parsed: dict[str, object] = {}
    for name, value in given.items():
        if name not in known:
            continue
        metadata = known[name].metadata
        if name == "head":
            if value in set(HeadKind):
                parsed[name] = HeadKind(str(value))
            else:
                faults.append(Fault("/options/head", f"one of {', '.join(HeadKind)}"))
        elif _fits(value, known[name].type, metadata["low"], metadata["high"]):
            parsed[name] = float(cast("float", value)) if known[name].type is float else value
        else:
            whole = "a number" if known[name].type is float else "a whole number"
            detail = f"{whole} from {metadata['low']:g} to {metadata['high']:g}"
            faults.append(Fault(f"/options/{name}", detail, {"low": metadata["low"], "high": metadata["high"]}))
    if faults:
        raise OptionsRefused(f"{chosen} cannot be trained with these options", faults=faults)
    return family(**parsed)  # type: ignore[arg-type]


def options_json(options: Options) -> dict[str, JSON]:
    """Options as a card states them."""
    return {item.name: getattr(options, item.name) for item in fields(options)}


def _fits(value: JSON, wanted: object, low: float, high: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (wanted is float or isinstance(value, int)) and low <= value <= high
