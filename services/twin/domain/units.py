"""Units of sensors: one spelling for those that mean the same, and which unit a strange value may have been in."""

from collections.abc import Mapping, Sequence

# Factor and offset into the first unit of each family: `factor * value + offset` (BIPM SI Brochure; NIST SP 811).
_FAMILIES: tuple[Mapping[str, tuple[float, float]], ...] = (
    {"K": (1.0, 0.0), "°C": (1.0, 273.15), "°F": (5 / 9, 273.15 - 32 * 5 / 9)},
    {
        "Pa": (1.0, 0.0),
        "hPa": (1e2, 0.0),
        "mbar": (1e2, 0.0),
        "kPa": (1e3, 0.0),
        "bar": (1e5, 0.0),
        "MPa": (1e6, 0.0),
        "psi": (6894.757293168, 0.0),
    },
)
_SPELLINGS = {
    "C": "°C",
    "degC": "°C",
    "celsius": "°C",
    "Celsius": "°C",
    "℃": "°C",
    "F": "°F",
    "degF": "°F",
    "℉": "°F",
    "kelvin": "K",
    "Kelvin": "K",
    "°K": "K",
}
_PLAIN = str.maketrans("²³µ·", "23μ*", " ^")


def is_same_unit(one: str, other: str) -> bool:
    """Whether two spellings mean one unit.

    Examples
    --------
    >>> is_same_unit("degC", "°C"), is_same_unit("m3/h", "m³ / h"), is_same_unit("mW", "MW")
    (True, True, False)
    """
    return _canonical(one) == _canonical(other)


def units_that_fit(value: float, unit: str, valid_range: tuple[float, float]) -> Sequence[str]:
    """Other units in which the value would lie in the range `valid_range`, which is in `unit`.

    Examples
    --------
    >>> units_that_fit(360.0, "°C", (60.0, 100.0)), units_that_fit(600.0, "bar", (4.0, 8.0))
    (('K',), ('kPa',))
    """
    known = _canonical(unit)
    family = next((family for family in _FAMILIES if known in family), {})
    lower, upper = valid_range
    return tuple(
        name
        for name, (factor, offset) in family.items()
        if family[name] != family[known] and lower <= _back(factor * value + offset, *family[known]) <= upper
    )


def _back(value: float, factor: float, offset: float) -> float:
    return (value - offset) / factor


def _canonical(unit: str) -> str:
    stripped = unit.strip()
    return _SPELLINGS.get(stripped, stripped.translate(_PLAIN))
