"""A field is what the contract says it is, and nothing that could be read as it."""

import pytest
from pydantic import TypeAdapter, ValidationError

from services.gateway.schemas.fields import Asset, Moment, Whole


@pytest.mark.parametrize("value", [True, False, "7", "", 1.5, None])
def test_what_is_no_whole_number_is_not_read_as_one(value: object):
    with pytest.raises(ValidationError):
        TypeAdapter(Whole).validate_python(value)


@pytest.mark.parametrize("value", [7, 7.0])
def test_a_whole_number_is_one_however_it_is_written(value: float):
    assert TypeAdapter(Whole).validate_python(value) == 7


@pytest.mark.parametrize("value", [0.5, "0.5", 1_800_000_000, "1800000000", "2026-04-01", "2026-04-01T00:00:00", True])
def test_a_time_is_written_out_with_its_zone(value: object):
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_python(value)


def test_a_time_in_another_zone_is_one_in_utc():
    assert TypeAdapter(Moment).validate_python("2026-04-01T09:00:00+09:00").isoformat() == "2026-04-01T00:00:00+00:00"


@pytest.mark.parametrize(
    "value", ["", ".", "acme.", "acme..osaka", "acme osaka", "大阪", "ù", "acme.osaka\n", "a" * 256]
)
def test_a_scope_names_an_asset_as_the_services_do(value: str):
    with pytest.raises(ValidationError):
        TypeAdapter(Asset).validate_python(value)
    assert TypeAdapter(Asset).validate_python("acme.osaka.reactor-1.r_101") == "acme.osaka.reactor-1.r_101"
