"""Bodies that are no JSON, or none that can be held: refused by every route of every service alike."""

import gzip
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from shared.http.app import ServiceApp
from tests.contract.served import application

DEPTH = 100_000
BEYOND_DOUBLE = b'{"value": 1e999}'

NOT_JSON = {
    "arrays in arrays": b"[" * DEPTH + b"]" * DEPTH,
    "objects in objects": b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
    "arrays without end": b"[" * DEPTH,
    "65 levels": b"[" * 66 + b"]" * 66,
    "NaN": b'{"value": NaN}',
    "Infinity": b'{"value": -Infinity}',
    "more than a double holds": BEYOND_DOUBLE,
    "too many names in one object": b'{"value": {' + b",".join(b'"%x": 1' % name for name in range(10_001)) + b"}}",
    "a number of 5,000 digits": b'{"value": ' + b"9" * 5_000 + b"}",
    "half of a surrogate pair": rb'{"note": "\ud800"}',
    "half of a pair as a name": rb'{"\udfff": 1}',
    "UTF-16": '{"value": 1}'.encode("utf-16"),
    "UTF-32": '{"value": 1}'.encode("utf-32"),
    "not UTF-8": b'{"note": "\xff\xfe"}',
    "overlong UTF-8": b'{"note": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"note": "\xed\xa0\x80"}',
}


@pytest.fixture(scope="module", params=["anomaly", "planner", "twin"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ServiceApp:
    return application(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
async def client(service: ServiceApp) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://service") as client:
        yield client


def routes_with_json(service: ServiceApp) -> list[tuple[str, str]]:
    """Method and path of each, with something in place of what varies."""
    return [
        (method.upper(), re.sub(r"\{[^}]+\}", "a", path))
        for path, operations in service.api.openapi()["paths"].items()
        for method, operation in operations.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
async def test_what_is_no_json_is_refused_by_every_route(service: ServiceApp, client: httpx.AsyncClient, body: bytes):
    routes = routes_with_json(service)
    assert len(routes) >= 3
    for method, path in routes:
        answer = await client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (422, "request.not_json"), path


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "identity, gzip"])
async def test_a_packed_body_is_refused_unread(service: ServiceApp, client: httpx.AsyncClient, encoding: str):
    bomb = gzip.compress(b" " * 1_000_000)
    for method, path in routes_with_json(service):
        if path.startswith("/v2/"):
            # The Open Inference Protocol has packed bodies; see its own tests for what they may unpack to.
            continue
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        answer = await client.request(method, path, content=bomb, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "request.encoding_unsupported"), path


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"value": 1}',
        b'{"value": 1, "value": 2}',
        b'{"value": 1e308, "note": "\\ud83d\\ude00"}',
        b'{"times": [' + b'"00:00:00",' * 10_000 + b'"00:00:00"], "values": [' + b'{"a": 1},' * 10_000 + b"{}]}",
    ],
)
async def test_what_is_unusual_json_is_left_to_the_route(service: ServiceApp, client: httpx.AsyncClient, body: bytes):
    """A byte order mark, a name twice, a large number, a pair of surrogates, many names: without a token, a 401."""
    for method, path in routes_with_json(service):
        answer = await client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 401, path
