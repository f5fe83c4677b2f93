"""Headers that cross the door, and framing with one reading."""

import pytest

from services.gateway.domain.headers import AmbiguousFraming, body_length, inward, outward


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ([], 0),
        ([(b"content-length", b"0")], 0),
        ([(b"content-length", b"17")], 17),
        ([(b"transfer-encoding", b"chunked")], None),
        ([(b"transfer-encoding", b" Chunked")], None),
    ],
)
def test_the_length_of_a_body_is_read(headers: list[tuple[bytes, bytes]], length: int | None):
    assert body_length(headers) == length


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"5"), (b"transfer-encoding", b"chunked")],
        [(b"content-length", b"5"), (b"content-length", b"5")],
        [(b"content-length", b"5, 5")],
        [(b"content-length", b"-5")],
        [(b"content-length", b"+5")],
        [(b"content-length", b" 5")],
        [(b"content-length", b"0x5")],
        [(b"content-length", b"5" * 16)],
        [(b"content-length", b"")],
        [(b"content-length", "\u0665".encode())],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"identity")],
        [(b"transfer-encoding", b"chunked\x0b")],
    ],
)
def test_a_length_with_two_readings_is_refused(headers: list[tuple[bytes, bytes]]):
    with pytest.raises(AmbiguousFraming):
        body_length(headers)


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "x-api-key", "cookie", "host", "content-length", "x-futago-identity", "X-Futago-Identity",
        "x_futago_identity", "x-futago-anything", "x-forwarded-for", "x-forwarded-host", "forwarded", "x-real-ip",
        "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authorization", "expect",
        "x-original-url", "x-rewrite-url", "x-request-id",
    ],
)  # fmt: skip
def test_what_must_not_reach_a_service_does_not(name: str):
    assert inward([(name.encode(), b"x")]) == []


@pytest.mark.parametrize("name", [b"content-type", b"accept", b"idempotency-key", b"traceparent", b"if-match"])
def test_what_a_service_needs_reaches_it(name: bytes):
    assert inward([(name, b"x"), (name, b"y")]) == [(name, b"x"), (name, b"y")]


def test_headers_that_connection_names_are_for_one_hop():
    headers = [(b"Connection", b"close, X-Mine"), (b"x-mine", b"1"), (b"accept", b"*/*"), (b"x-other", b"2")]
    assert inward(headers) == [(b"accept", b"*/*"), (b"x-other", b"2")]
    assert outward(headers) == [(b"accept", b"*/*"), (b"x-other", b"2")]


@pytest.mark.parametrize("name", [b"Server", b"date", b"set-cookie", b"transfer-encoding", b"x-futago-identity"])
def test_what_must_not_leave_does_not(name: bytes):
    assert outward([(name, b"x"), (b"content-type", b"a/b")]) == [(b"content-type", b"a/b")]
