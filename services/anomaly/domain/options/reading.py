"""Options as callers write them, checked and turned into those of a kind."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TypeAlias, cast

from services.anomaly.domain.options.autoencoders import AutoencoderOptions, LstmAutoencoderOptions
from services.anomaly.domain.options.kinds import AUTO, DetectorKind, KindUnknown
from services.anomaly.domain.options.network import RowNetworkOptions, WindowNetworkOptions
from services.anomaly.domain.options.statistical import MahalanobisOptions, PcaOptions
from shared.errors import JSON, AppError, Fault, Kind

AUTO_REASON = (
    "Mahalanobis distance of the causally smoothed sensors: on rows of several sensors over time it finds more faults "
    "at fewer false alarms than the networks here, trains in milliseconds and explains every score exactly."
)

Options: TypeAlias = MahalanobisOptions | PcaOptions | RowNetworkOptions | WindowNetworkOptions

_FAMILIES: Mapping[DetectorKind, type[Options]] = {
    family.kind: family
    for family in (
        MahalanobisOptions,
        PcaOptions,
        AutoencoderOptions,
        LstmAutoencoderOptions,
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
        if (choices := metadata.get("choices")) is not None:
            if value in set(choices):
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
