"""Units: which spellings mean the same, and which unit a strange value may have been in."""

import pytest

from services.twin.domain.units import is_same_unit, units_that_fit


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("°C", "degC", True),
        ("℃", "C", True),
        ("K", "kelvin", True),
        ("m3/h", "m³ / h", True),
        ("kg/h", "kg/s", False),
        ("mW", "MW", False),
        ("°C", "K", False),
        ("widgets", "widgets", True),
    ],
)
def test_units_are_compared_by_meaning(one: str, other: str, same: bool):
    assert is_same_unit(one, other) == is_same_unit(other, one) == same


@pytest.mark.parametrize(
    ("value", "unit", "valid_range", "fitting"),
    [
        (361.5, "°C", (60.0, 100.0), ("K",)),
        (88.0, "K", (340.0, 380.0), ("°C",)),
        (190.0, "°C", (60.0, 100.0), ("°F",)),
        (610.0, "bar", (4.0, 8.0), ("kPa",)),
        (0.6, "bar", (4.0, 8.0), ("MPa",)),
        (6.1, "kPa", (400.0, 800.0), ("bar",)),
        (610_000.0, "bar", (4.0, 8.0), ("Pa",)),
        (6_100.0, "bar", (4.0, 8.0), ("hPa", "mbar")),
        (88.0, "psi", (1_200.0, 1_400.0), ("bar",)),
        (1e9, "bar", (4.0, 8.0), ()),
        (500.0, "kg/h", (0.0, 1.0), ()),
    ],
)
def test_a_value_that_fits_after_a_common_conversion_names_its_unit(
    value: float, unit: str, valid_range: tuple[float, float], fitting: tuple[str, ...]
):
    assert tuple(units_that_fit(value, unit, valid_range)) == fitting
