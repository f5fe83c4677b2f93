"""Ways to spoil a valid request before it goes over a raw socket; which one is drawn decides the seed alone."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tests.security.raw_requests import HeaderList, RawRequest

Random = random.Random
Mutation = Callable[[Random, RawRequest], RawRequest]
ODD_VALUES: Sequence[object] = (
    None, True, -1, 0, 2**63, -(2**64), 1e308, "", "x" * 5000, "\ud800", "\0", "a\r\nb", "../../etc/passwd", "%00",
    "' OR 1=1 --", "<script>alert(1)</script>", "${jndi:ldap://x}", [], {}, [[[[]]]], {"": {"": 1}}, "2026-02-30",
    "\uff11\uff12",
)  # fmt: skip
_METHODS = (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b"PRI",
            b"G\xc3\xa9T", b"X" * 300, b"", b"GET GET")  # fmt: skip
_TARGET_TRICKS = (b"/..", b"/%2e%2e/", b"%2f", b"%5c", b"\\", b"//", b"/.", b"%00", b"%0d%0aX: y", b"%", b"%zz", b"?",
                  b"#x", b"\xff", b";a=b", b"/" + b"a" * 3000, b"?" + b"q=1&" * 2000, b"*", b"@evil", b" ")  # fmt: skip
_TARGETS = (b"*", b"", b"http://127.0.0.1/api/v1/jobs", b"evil:80", b"//evil/", b"/" * 500, b"/\xe2\x80\xae")
_VERSIONS = (
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/1.1.1",
    b"http/1.1",
    b"HTTP/",
    b"",
    b"HTTP/1.1 x",
    b"ICY/1.1",
)
_ODD_HEADERS: Sequence[tuple[bytes, bytes]] = (
    (b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"gzip, chunked"), (b"Transfer-Encoding", b"xchunked"),
    (b"transfer-encoding", b" chunked"), (b"Content-Length", b"0"), (b"Content-Length", b"5"),
    (b"Content-Length", b"-1"), (b"Content-Length", b"99999999999999999999"), (b"Content-Length", b"+7"),
    (b"Content-Length", b"1,1"),
    (b"Content-Encoding", b"gzip"), (b"Content-Encoding", b"br"), (b"Expect", b"100-continue"), (b"Expect", b"nothing"),
    (b"Upgrade", b"websocket"), (b"Upgrade", b"h2c"), (b"Connection", b"close, Authorization"),
    (b"Connection", b"upgrade"), (b"Authorization", b"Bearer a.b.c"), (b"Authorization", b"Bearer "),
    (b"Authorization", b"Basic YTpi"),
    (b"X-API-Key", b"fut_" + b"a" * 60), (b"X-API-Key", b"\xff\xfe"), (b"X-Futago-Identity", b"a.b.c"),
    (b"Content-Type", b"application/json; charset=utf-7"), (b"Content-Type", b"text/plain"), (b"Content-Type", b""),
    (b"Content-Type", b"multipart/form-data"), (b"Content-Type", b"multipart/form-data; boundary=" + b"x" * 300),
    (b"Host", b"evil"), (b"Host", b""), (b"Host", b"a b"), (b"Range", b"bytes=0-1,5-2"), (b"If-None-Match", b"*"),
    (b"Accept", b"*/*;q=x"), (b"X-Request-ID", b"a" * 500), (b"X-Request-ID", b"\r\nX: y"), (b"traceparent", b"00-zz"),
    (b"X-Forwarded-For", b"1.2.3.4, ::1"), (b"Idempotency-Key", b"k" * 600), (b"Cookie", b"a=b" * 2000),
    (b"Inference-Header-Content-Length", b"7"), (b"Inference-Header-Content-Length", b"-7"), (b"X" * 400, b"y"),
    (b"Bad Name", b"x"), (b"", b"x"), (b"X-Nul", b"a\0b"), (b" X-Folded", b"y"), (b"X-Long", b"v" * 70_000),
)  # fmt: skip


def method(rng: Random, request: RawRequest) -> RawRequest:
    """Another method."""
    return replace(request, method=rng.choice(_METHODS))


def target(rng: Random, request: RawRequest) -> RawRequest:
    """A path or query that somebody may read differently."""
    if rng.random() < 0.2:
        return replace(request, target=rng.choice(_TARGETS))
    at = rng.randint(0, len(request.target))
    return replace(request, target=request.target[:at] + rng.choice(_TARGET_TRICKS) + request.target[at:])


def version(rng: Random, request: RawRequest) -> RawRequest:
    """Another version of HTTP."""
    return replace(request, version=rng.choice(_VERSIONS))


def odd_header(rng: Random, request: RawRequest) -> RawRequest:
    """A header that matters, with a value that should not."""
    headers = [*request.headers]
    headers.insert(rng.randint(0, len(headers)), rng.choice(_ODD_HEADERS))
    return replace(request, headers=tuple(headers))


def header_lost_or_twice(rng: Random, request: RawRequest) -> RawRequest:
    """A header taken out, or repeated."""
    headers = [*request.headers]
    if not headers:
        return request
    chosen = rng.randrange(len(headers))
    headers[chosen : chosen + 1] = [] if rng.random() < 0.5 else [headers[chosen]] * rng.choice((2, 2, 150))
    return replace(request, headers=tuple(headers))


def content(rng: Random, request: RawRequest) -> RawRequest:
    """A value of the JSON body replaced, or a field added, or the whole made into what is not JSON."""
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError):
        return body_bytes(rng, request)
    draw = rng.random()
    if draw < 0.15:
        spoiled = rng.choice(
            (b"[" * 5000, b'{"a":' * 300, b"NaN", b"1e999", b'{"a":1,"a":2}', b"\xef\xbb\xbf{}", b"\xff", b"")
        )
        return replace(request, body=spoiled)
    return replace(
        request, body=json.dumps(_replaced(rng, document), ensure_ascii=rng.random() < 0.5).encode(errors="replace")
    )


def body_bytes(rng: Random, request: RawRequest) -> RawRequest:
    """Bytes of the body changed, taken out or put in."""
    return replace(request, body=spoil_bytes(rng, request.body))


def _replaced(rng: Random, node: Any) -> Any:
    if isinstance(node, dict) and node and rng.random() < 0.85:
        key = rng.choice(list(node))
        if rng.random() < 0.1:
            return {**node, rng.choice(("role", "owner", "__class__", "x" * 200)): rng.choice(ODD_VALUES)}
        if rng.random() < 0.1:
            return {name: value for name, value in node.items() if name != key}
        return {**node, key: _replaced(rng, node[key])}
    if isinstance(node, list) and node and rng.random() < 0.7:
        at = rng.randrange(len(node))
        return [*node[:at], _replaced(rng, node[at]), *node[at + 1 :]]
    return rng.choice(ODD_VALUES)


def spoil_bytes(rng: Random, data: bytes) -> bytes:
    """Flip, cut, insert or repeat some bytes."""
    at = rng.randint(0, len(data))
    match rng.randrange(5):
        case 0:
            spoiled = bytearray(data)
            for _ in range(rng.randint(1, 8) if data else 0):
                spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
            return bytes(spoiled)
        case 1:
            return data[:at]
        case 2:
            return data[:at] + rng.randbytes(rng.randint(1, 40)) + data[at:]
        case 3:
            return data[:at] + data[at + rng.randint(1, 20) :]
        case _:
            return data[:at] + data[max(0, at - 30) : at] * rng.randint(2, 50) + data[at:]


MUTATIONS: Sequence[Mutation] = (
    method,
    target,
    version,
    odd_header,
    odd_header,
    header_lost_or_twice,
    content,
    content,
    body_bytes,
)


def framed(rng: Random, request: RawRequest) -> RawRequest:
    """Say how long the body is, mostly truly."""
    if not request.body:
        return request
    draw = rng.random()
    if draw < 0.1:
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(request.body) + rng.choice((0, 0, 1, -1)), request.body)
        return replace(request.with_header(b"Transfer-Encoding", b"chunked"), body=chunks)
    length = len(request.body) + (rng.choice((-3, 5, 1000)) if draw < 0.16 else 0)
    return request.with_header(b"Content-Length", str(max(length, 0)).encode())


def mutated(rng: Random, seed: RawRequest, headers: HeaderList) -> bytes:
    """A valid request with one to three faults, as it goes over the wire."""
    request = replace(seed, headers=(*headers, *seed.headers))
    chosen = rng.choices(MUTATIONS, k=rng.choice((0, 1, 1, 1, 2, 3)))
    # The body before its length is told, all else after.
    for mutation in sorted(chosen, key=lambda one: one not in {content, body_bytes}):
        if mutation not in {content, body_bytes}:
            break
        request = mutation(rng, request)
    request = framed(rng, request)
    for mutation in chosen:
        if mutation not in {content, body_bytes}:
            request = mutation(rng, request)
    wire = request.wire()
    if rng.random() < 0.15:
        wire = wire.replace(b"\r\n", rng.choice((b"\n", b"\r", b"\r\r\n")), rng.choice((1, 2, -1)))
    return spoil_bytes(rng, wire) if not chosen or rng.random() < 0.1 else wire
