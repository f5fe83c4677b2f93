"""Options as callers write them, checked and turned into those of a kind."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TypeAlias, TypeVar, cast

from services.anomaly.domain.options.autoencoders import (
    AutoencoderOptions,
    DenoisingAutoencoderOptions,
    LstmAutoencoderOptions,
    SparseAutoencoderOptions,
)
from services.anomaly.domain.options.forecasters import CnnForecasterOptions, LstmForecasterOptions
from services.anomaly.domain.options.generative import AnoGanOptions, EgbadOptions, FAnoGanOptions
from services.anomaly.domain.options.images import ImageAutoencoderOptions
from services.anomaly.domain.options.kinds import AUTO, DetectorKind, KindUnknown
from services.anomaly.domain.options.network import RowNetworkOptions, WindowNetworkOptions
from services.anomaly.domain.options.sequences import (
    ConvAutoencoderOptions,
    LstmVaeOptions,
    OmniAnomalyOptions,
    TransformerOptions,
    UsadOptions,
)
from services.anomaly.domain.options.statistical import IsolationForestOptions, MahalanobisOptions, PcaOptions
from services.anomaly.domain.options.vae import VaeOptions
from shared.errors import JSON, AppError, Fault, Kind

Options: TypeAlias = MahalanobisOptions | PcaOptions | IsolationForestOptions | RowNetworkOptions | WindowNetworkOptions

IMAGE_AUTO_REASON = (
    "Convolutional autoencoder: the rows are images, and what lies where in them is seen by convolutions and not by "
    "distances of single pixels."
)
Family = TypeVar("Family", bound=Options)

_FAMILIES: Mapping[DetectorKind, type[Options]] = {
    family.kind: family
    for family in (
        MahalanobisOptions,
        PcaOptions,
        AutoencoderOptions,
        SparseAutoencoderOptions,
        DenoisingAutoencoderOptions,
        VaeOptions,
        LstmAutoencoderOptions,
        ConvAutoencoderOptions,
        TransformerOptions,
        UsadOptions,
        LstmVaeOptions,
        OmniAnomalyOptions,
        CnnForecasterOptions,
        LstmForecasterOptions,
        FAnoGanOptions,
        EgbadOptions,
        AnoGanOptions,
        IsolationForestOptions,
    )
}


class OptionsRefused(AppError):
    """An option is unknown or outside its range."""

    kind, code = Kind.INVALID, "anomaly.options_refused"


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
    >>> parse_options("auto", {"smoothing_rows": 10}).smoothing_rows
    10
    """
    chosen = DetectorKind.MAHALANOBIS.value if kind == AUTO else kind
    if chosen not in list(DetectorKind):
        raise KindUnknown(kind)
    return _read(_FAMILIES[DetectorKind(chosen)], values)


def parse_image_options(kind: str, values: Mapping[str, JSON]) -> ImageAutoencoderOptions:
    """Check the options of a kind that images are given to.

    Raises
    ------
    KindUnknown
        If there is no such kind at all.
    OptionsRefused
        If the kind takes no images, or as for `parse_options`.
    """
    if kind not in [AUTO, *DetectorKind]:
        raise KindUnknown(kind)
    takes_images = [AUTO, ImageAutoencoderOptions.kind.value]
    if kind not in takes_images:
        fault = Fault("/kind", f"of images, one of {', '.join(takes_images)}", {"available": list(takes_images)})
        raise OptionsRefused(f"{kind} takes no images", faults=[fault])
    return _read(ImageAutoencoderOptions, values)


def check_options(kind: str, values: Mapping[str, JSON]) -> None:
    """Refuse, before it is known whether rows or images come, what would do for neither.

    Raises
    ------
    KindUnknown, OptionsRefused
        As for `parse_options`.
    """
    try:
        parse_options(kind, values)
    except OptionsRefused as of_rows:
        try:
            parse_image_options(kind, values)
        except OptionsRefused:
            raise of_rows from None


def _read(family: type[Family], values: Mapping[str, JSON]) -> Family:
    chosen = family.kind.value
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
        if (choices := metadata.get("choices")) is not None:
            # A list, because what callers write need not have a hash.
            if value in list(choices):
                parsed[name] = choices(value)
            else:
                faults.append(Fault(f"/options/{name}", f"one of {', '.join(choices)}", {"available": list(choices)}))
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
