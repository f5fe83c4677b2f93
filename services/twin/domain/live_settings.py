"""What a model's card says about live quality: whether observations correct it, and when their coverage alarms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from shared.errors import JSON, AppError, Fault, Kind

# The level at which coverage is watched; the card's figures are of the same one.
REFERENCE_LEVEL = 0.9

DEFAULT_WINDOW_ROWS = 200
FEWEST_WINDOW_ROWS = 50
MOST_WINDOW_ROWS = 2000
# A calibration of 500 rows by itself leaves the true coverage of a sound model uncertain by 0.013 (one sigma).
_TOLERANCE = 0.03


class LiveSettingsInvalid(AppError):
    """What the card says about live quality makes no sense; each fault is listed."""

    kind, code = Kind.INVALID, "twin.live_settings_invalid"


@dataclass(frozen=True, slots=True)
class CoverageBand:
    """Where the true coverage of 90 % intervals may lie without anybody being told.

    Parameters
    ----------
    lower, upper
        Closed band around 0.9 [1].
    rows
        How many of the newest observations are looked at; at most the window.
    """

    lower: float = REFERENCE_LEVEL - _TOLERANCE
    upper: float = REFERENCE_LEVEL + _TOLERANCE
    rows: int = DEFAULT_WINDOW_ROWS


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How one model lives with what is measured after its predictions.

    Parameters
    ----------
    bias_update
        Add the mean of the recent residuals to each prediction, as far as it is no chance.
    adaptive
        Take the widths of intervals from recent observations instead of the calibration alone.
    window_rows
        How many of the newest observations are recent.
    coverage_band
        When coverage alarms.

    Raises
    ------
    LiveSettingsInvalid
        If a value is out of its range; every fault is listed.
    """

    bias_update: bool = False
    adaptive: bool = False
    window_rows: int = DEFAULT_WINDOW_ROWS
    coverage_band: CoverageBand = field(default_factory=CoverageBand)

    def __post_init__(self) -> None:
        faults = []
        if not FEWEST_WINDOW_ROWS <= self.window_rows <= MOST_WINDOW_ROWS:
            detail = f"the window must hold {FEWEST_WINDOW_ROWS} to {MOST_WINDOW_ROWS} rows"
            faults.append(Fault("/window_rows", detail))
        band = self.coverage_band
        if not 0.0 < band.lower <= REFERENCE_LEVEL <= band.upper < 1.0:
            detail = f"the band must lie between 0 and 1 and hold {REFERENCE_LEVEL:g}"
            faults.append(Fault("/coverage_band", detail))
        if not FEWEST_WINDOW_ROWS <= band.rows <= self.window_rows:
            detail = f"the band must be judged on {FEWEST_WINDOW_ROWS} rows or more, and at most the window's"
            faults.append(Fault("/coverage_band/rows", detail))
        if faults:
            raise LiveSettingsInvalid("the live settings make no sense; every fault is listed", faults=faults)

    @property
    def corrects(self) -> bool:
        """Whether observations change what is answered."""
        return self.bias_update or self.adaptive

    @classmethod
    def of(cls, document: Mapping[str, JSON]) -> Self:
        """Read what a user wrote or a card says; what is left out has its default.

        Raises
        ------
        LiveSettingsInvalid
            If a member is unknown, of another type or out of its range; every fault is listed.

        Examples
        --------
        >>> LiveSettings.of({"bias_update": True}).adaptive
        False
        """
        faults: list[Fault] = []
        _refuse_unknown(document, {"bias_update", "adaptive", "window_rows", "coverage_band"}, "", faults)
        window_rows = _whole(document, "window_rows", DEFAULT_WINDOW_ROWS, "", faults)
        band = document.get("coverage_band", {})
        if not isinstance(band, Mapping):
            faults.append(Fault("/coverage_band", "must be an object"))
            band = {}
        _refuse_unknown(band, {"lower", "upper", "rows"}, "/coverage_band", faults)
        values = (
            _flag(document, "bias_update", faults),
            _flag(document, "adaptive", faults),
            window_rows,
            CoverageBand(
                _share(band, "lower", REFERENCE_LEVEL - _TOLERANCE, faults),
                _share(band, "upper", REFERENCE_LEVEL + _TOLERANCE, faults),
                _whole(band, "rows", window_rows, "/coverage_band", faults),
            ),
        )
        if faults:
            raise LiveSettingsInvalid("the live settings make no sense; every fault is listed", faults=faults)
        return cls(*values)

    def to_json(self) -> dict[str, JSON]:
        """As the card keeps them; `of` reads the same again."""
        band = self.coverage_band
        return {
            "bias_update": self.bias_update,
            "adaptive": self.adaptive,
            "window_rows": self.window_rows,
            "coverage_band": {"lower": band.lower, "upper": band.upper, "rows": band.rows},
        }


def _refuse_unknown(document: Mapping[str, JSON], known: set[str], where: str, faults: list[Fault]) -> None:
    faults += [Fault(f"{where}/{name}", f"{name!r} is unknown") for name in document if name not in known]


def _flag(document: Mapping[str, JSON], name: str, faults: list[Fault]) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        faults.append(Fault(f"/{name}", "must be true or false"))
    return value is True


def _whole(document: Mapping[str, JSON], name: str, default: int, where: str, faults: list[Fault]) -> int:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        faults.append(Fault(f"{where}/{name}", "must be a whole number"))
        return default
    return value


def _share(document: Mapping[str, JSON], name: str, default: float, faults: list[Fault]) -> float:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        faults.append(Fault(f"/coverage_band/{name}", "must be a number"))
        return default
    return float(value)
