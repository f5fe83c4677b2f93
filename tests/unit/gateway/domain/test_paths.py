"""Paths with one meaning, and those with more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.errors import PathUnknown
from services.gateway.domain.paths import MAX_PATH_BYTES, split_path


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        (b"/", ()),
        (b"/api/v1/twin", ("api", "v1", "twin")),
        (b"/a/caf%C3%A9", ("a", "café")),
        (b"/a/acme.osaka.r101", ("a", "acme.osaka.r101")),
        (b"/a/x%20y", ("a", "x y")),
        (b"/a/...", ("a", "...")),
    ],
)
def test_a_path_is_split_into_decoded_segments(path: bytes, segments: tuple[str, ...]):
    assert split_path(path) == segments


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"a",
        b"//",
        b"/a/",
        b"/a//b",
        b"/./a",
        b"/a/..",
        b"/a/%2e",
        b"/a/%2E%2e/b",
        b"/a/.%2e",
        b"/a%2fb",
        b"/a%5cb",
        b"/a\\b",
        b"/a%00",
        b"/a%0a",
        b"/a%7f",
        b"/a%252e",
        b"/a%2",
        b"/a%zz",
        b"/a%ff",
        b"/a%ed%a0%80",
        b"/a%c0%ae",
        b"/a b",
        b"/a?b",
        b"/a#b",
        b"/\xe6\xb8\xa9",
        b"/" + b"a" * MAX_PATH_BYTES,
    ],
)
def test_a_path_with_another_reading_is_nowhere(path: bytes):
    with pytest.raises(PathUnknown):
        split_path(path)


@given(st.binary(max_size=60).map(lambda tail: b"/" + tail))
def test_no_path_yields_a_segment_that_could_be_another_path(path: bytes):
    try:
        segments = split_path(path)
    except PathUnknown:
        return
    assert not any({"/", "\\", "\0"} & set(segment) or segment in {"", ".", ".."} for segment in segments)
