"""JSON in and out."""

import json
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from futago import InvalidInput, UnexpectedAnswer
from futago.wire import decode_object, encode

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON_VALUES))
def test_what_json_can_hold_comes_back_unchanged(value: dict[str, object]):
    assert decode_object(encode(value)) == value


def test_arrays_and_their_scalars_become_lists_and_numbers():
    value = {"rows": np.arange(4.0).reshape(2, 2), "label": np.int8(1), "flag": np.bool_(True)}
    assert json.loads(encode(value)) == {"rows": [[0.0, 1.0], [2.0, 3.0]], "label": 1, "flag": True}


def test_times_keep_their_moment_and_dates_their_day():
    tokyo = timezone(timedelta(hours=9))
    value = [datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 4, 1, 9, tzinfo=tokyo), date(2026, 4, 1)]
    assert json.loads(encode(value)) == ["2026-04-01T00:00:00Z", "2026-04-01T09:00:00+09:00", "2026-04-01"]


@pytest.mark.parametrize("value", [float("nan"), [float("-inf")], {"a": {1, 2}}])
def test_what_json_cannot_hold_is_refused(value: object):
    with pytest.raises(InvalidInput):
        encode(value)


@pytest.mark.parametrize("content", [b"", b"[1]", b"<html>", b'"text"', b"\xff"])
def test_an_answer_that_is_no_object_is_unexpected(content: bytes):
    with pytest.raises(UnexpectedAnswer):
        decode_object(content)
