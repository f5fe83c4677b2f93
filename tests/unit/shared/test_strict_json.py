"""How much one body may hold, whatever its limit in bytes."""

import pytest

from shared.http.problems import NotJson
from shared.http.strict_json import check_json


def members(count: int, *, objects: int = 1, colon: bytes = b" :") -> bytes:
    return b"[" + b",".join([b"{" + b",".join([b'"a"' + colon + b"1"] * count) + b"}"] * objects) + b"]"


@pytest.mark.parametrize("body", [members(10_000), members(100, objects=10_000), b'["' + b":" * 10_001 + b'"]'])
def test_as_many_names_as_a_body_of_ours_has_pass(body: bytes):
    check_json(body)


@pytest.mark.parametrize("body", [members(10_001), members(10_001, colon=b"\t\r\n : "), members(100, objects=10_001)])
def test_more_names_than_that_are_refused_before_each_is_told_as_a_fault(body: bytes):
    with pytest.raises(NotJson) as refused:
        check_json(body)
    assert [fault.detail for fault in refused.value.faults] == [
        "an object has more than 10000 members, or all have 1000000"
    ]
