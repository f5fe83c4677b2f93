"""Reading inputs: what is accepted, and that every fault is said at once."""

import math

import numpy as np
import pytest

from services.twin.domain.features import FeatureSpec, InputReader, InputsInvalid, QualityBad

READER = InputReader([FeatureSpec("temp", "°C", (0.0, 100.0)), FeatureSpec("flow/rate", "kg/h"), FeatureSpec("p")])
GOOD = {"temp": 20.5, "flow/rate": 80, "p": -1e300}


def refusal(inputs: dict, pointer: str = "") -> InputsInvalid:
    with pytest.raises(InputsInvalid) as caught:
        READER.read(inputs, pointer)
    return caught.value


def test_values_come_back_in_the_order_of_the_model():
    assert READER.read({"p": 3, "temp": 1, "flow/rate": 2.5}) == [1.0, 2.5, 3.0]


@pytest.mark.parametrize("temp", [0.0, 100.0, 0, 100])
def test_both_ends_of_a_range_belong_to_it(temp: float):
    assert READER.read({**GOOD, "temp": temp})[0] == temp


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (-0.001, "outside its valid range 0 to 100 °C"),
        (100.001, "outside its valid range 0 to 100 °C"),
        (math.nan, "finite"),
        (math.inf, "finite"),
        (10**400, "finite"),
        (True, "must be a number"),
        (False, "must be a number"),
        ("20.5", "must be a number"),
        (None, "must be a number"),
        ([20.5], "must be a number"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_range(value: object, detail: str):
    (fault,) = refusal({**GOOD, "temp": value}).faults
    assert fault.pointer == "/temp"
    assert detail in fault.detail
    facts = {name: fact for name, fact in fault.facts.items() if name != "looks_like"}
    assert facts == {"feature": "temp", "unit": "°C", "valid_range": [0.0, 100.0]}


@pytest.mark.parametrize(("value", "looks_like"), [(350.0, ["K"]), (200.0, ["°F"]), (293.0, ["K"]), (5_000.0, None)])
def test_a_value_in_another_unit_is_recognised(value: float, looks_like: list[str] | None):
    (fault,) = refusal({**GOOD, "temp": value}).faults
    assert fault.facts.get("looks_like") == looks_like
    assert ("looks like" in fault.detail) == (looks_like is not None)


def test_a_reading_that_names_its_unit_is_not_guessed_at():
    (fault,) = refusal({**GOOD, "temp": {"value": 350.0, "unit": "degC"}}).faults
    assert "looks_like" not in fault.facts


@pytest.mark.parametrize("unit", ["°C", "degC", " C ", "Celsius", None])
def test_a_reading_may_name_the_unit_of_its_feature_in_any_spelling(unit: str | None):
    assert READER.read({**GOOD, "temp": {"value": 7, "unit": unit}})[0] == 7.0


def test_a_reading_in_another_unit_is_refused_and_both_are_named():
    (fault,) = refusal({**GOOD, "flow/rate": {"value": 7, "unit": "t/h"}}).faults
    assert (fault.pointer, fault.facts["unit"], fault.facts["given_unit"]) == ("/flow~1rate/unit", "kg/h", "t/h")
    assert "'t/h'" in fault.detail
    assert "'kg/h'" in fault.detail


def test_a_feature_without_a_unit_takes_a_reading_in_any():
    assert READER.read({**GOOD, "p": {"value": 7, "unit": "bar"}})[2] == 7.0


def test_a_row_tells_which_of_its_values_are_uncertain_and_which_are_bad():
    row = READER.read_row({**GOOD, "temp": {"quality": "bad"}, "p": {"value": 3, "quality": "Uncertain"}})
    assert (row.uncertain, [fault.pointer for fault in row.bad]) == (("p",), ["/temp"])
    assert row.known() == [None, 80.0, 3.0]


@pytest.mark.parametrize("value", [np.float64(20.5), np.float32(20.5), np.int64(20)])
def test_numbers_of_numpy_are_numbers(value: float):
    assert READER.read({**GOOD, "temp": value})[0] == float(value)


def test_a_flood_of_unknown_names_is_answered_with_the_first_hundred():
    assert len(refusal({**GOOD, **{f"x{i}": 1 for i in range(5_000)}}).faults) == 100


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
def test_a_feature_without_a_range_still_has_to_be_finite(value: float):
    assert "finite" in refusal({**GOOD, "p": value}).faults[0].detail


def test_every_fault_is_listed_at_once():
    error = refusal({"temp": 900, "flow/rate": "x", "q": 1}, "/inputs/3")
    assert [fault.pointer for fault in error.faults] == [
        "/inputs/3/temp",
        "/inputs/3/flow~1rate",
        "/inputs/3/p",
        "/inputs/3/q",
    ]


def test_an_unknown_feature_is_told_which_ones_exist():
    (fault,) = refusal({**GOOD, "presure": 1}).faults
    assert fault.facts == {"feature": "presure", "known": ["flow/rate", "p", "temp"]}


@pytest.mark.parametrize("quality", ["good", "Good", "UNCERTAIN", None])
def test_good_and_uncertain_readings_are_used(quality: str | None):
    reading = {"value": 7, "quality": quality, "timestamp": "2026-04-01T00:00:00Z"}
    assert READER.read({**GOOD, "temp": reading})[0] == 7.0


@pytest.mark.parametrize(
    "reading", [{"value": 7, "quality": "bad"}, {"value": None, "quality": "Bad"}, {"quality": "bad"}]
)
def test_a_bad_reading_refuses_the_row_by_a_code_of_its_own(reading: dict):
    with pytest.raises(QualityBad) as caught:
        READER.read({**GOOD, "temp": reading})
    assert [fault.pointer for fault in caught.value.faults] == ["/temp"]


def test_a_bad_reading_among_malformed_values_is_listed_with_them():
    error = refusal({"temp": {"value": 1, "quality": "bad"}, "flow/rate": 1})
    assert [fault.pointer for fault in error.faults] == ["/p", "/temp"]


@pytest.mark.parametrize(
    ("reading", "pointer"),
    [
        ({"value": 7, "quality": "fine"}, "/temp/quality"),
        ({"value": 7, "quality": 192}, "/temp/quality"),
        ({"value": 7, "timestamp": "2026-04-01"}, "/temp/timestamp"),
        ({"value": 7, "timestamp": 1}, "/temp/timestamp"),
        ({"value": 7, "unit": "K"}, "/temp/unit"),
        ({"value": 7, "unit": 5}, "/temp/unit"),
        ({"value": 7, "source": "plc"}, "/temp/source"),
        ({"quality": "good"}, "/temp/value"),
        ({"value": "7"}, "/temp/value"),
        ({"value": 700}, "/temp/value"),
        ({"value": {"value": 7}}, "/temp/value"),
    ],
)
def test_a_malformed_reading_is_refused_at_its_place(reading: dict, pointer: str):
    assert [fault.pointer for fault in refusal({**GOOD, "temp": reading}).faults] == [pointer]


def test_many_rows_are_read_from_an_array_or_from_mappings():
    expected = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    np.testing.assert_array_equal(READER.read_many(expected), expected)
    mappings = [dict(zip(("temp", "flow/rate", "p"), row, strict=True)) for row in expected]
    np.testing.assert_array_equal(READER.read_many(mappings), expected)


def test_the_faults_of_all_rows_are_listed():
    with pytest.raises(InputsInvalid) as caught:
        READER.read_many([[1.0, 2.0, 3.0], [900.0, math.nan, 3.0], [-1.0, 2.0, 3.0]])
    assert [fault.pointer for fault in caught.value.faults] == ["/1/temp", "/1/flow~1rate", "/2/temp"]


@pytest.mark.parametrize("rows", [[1.0, 2.0, 3.0], [[1.0, 2.0]], [["a", "b", "c"]], [[1.0], [1.0, 2.0]], 5.0])
def test_rows_of_another_shape_are_refused(rows: object):
    with pytest.raises(InputsInvalid):
        READER.read_many(rows)


def test_no_row_is_dropped_where_mappings_and_arrays_are_mixed():
    mapping = {"temp": 1.0, "flow/rate": 2.0, "p": 3.0}
    for rows in ([mapping, [1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0], mapping]):
        with pytest.raises(InputsInvalid):
            READER.read_many(rows)


def test_a_table_is_read_only_with_its_columns_in_the_order_of_the_model():
    class Table:
        """What numpy and this reader see of a data frame."""

        def __init__(self, *columns: str) -> None:
            self.columns = columns

        def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
            return np.array([[1.0, 2.0, 3.0]])

    np.testing.assert_array_equal(READER.read_many(Table("temp", "flow/rate", "p")), [[1.0, 2.0, 3.0]])
    with pytest.raises(InputsInvalid, match="order"):
        READER.read_many(Table("p", "flow/rate", "temp"))
