"""The plain form of a request is answered without the framework, and exactly as the documented route answers it."""

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.twin.routes.direct_predictions import PredictionQuery, read_query
from shared.principal import Role
from tests.unit.twin.twin_service import GOOD, Bench, publish

API = "/api/v1/twin"
# The direct handlers take the first, and leave the second to the documented route.
DIRECT, DOCUMENTED = "application/json", "application/json; charset=utf-8"


@pytest.fixture
async def client(bench: Bench) -> AsyncIterator[httpx.AsyncClient]:
    async with bench.twin(cache_ttl_s=0) as app, bench.client(app) as client:
        await publish(client, bench.archive())
        yield client


async def answer(client: httpx.AsyncClient, path: str, content: str | bytes, kind: str) -> tuple[int, Any]:
    response = await client.post(f"{API}{path}", content=content, headers={"content-type": kind})
    body = response.json()
    assert response.headers["x-request-id"] == body.pop("request_id")
    body.pop("inference_time_ms", None)
    return response.status_code, body


BAD = {"temp": {"quality": "bad"}, "pressure": 6}
UNCERTAIN = {"temp": {"value": 361.5, "quality": "uncertain", "unit": "degC"}, "pressure": 6}


QUERIES = ["", "?model=yield", "?level=0.8", "?level=.5&asset=acme.r101&sticky_key=k", "?level=1"]
# A level that is 1 as a double, one in other digits than ours, and names that are no names.
ODD_QUERIES = [
    "?level=0.99999999999999999",
    "?level=0.%D9%A9",
    "?level=%2E9",
    "?level=0.9&level=0.8",
    "?level=",
    "?model=a%00b",
    "?model=%ED%A0%80",
    "?model=yield&model=nobody",
    "?asset=a.b%0A",
    "?asset=%C3%A9",
    f"?sticky_key={'k' * 1_000}",
    "?sticky_key=%C3%A9",
    "?&&",
]
ROWS = [
    json.dumps(GOOD),
    json.dumps(UNCERTAIN),
    json.dumps(BAD),
    '{"temp": 900, "presure": 6}',
    '{"temp": 361, "temp": 362, "pressure": 6}',
    '{"temp": 361, "pressure": 1e400}',
    '{"temp": NaN, "pressure": 6}',
    '{"temp": 36' + "1" * 400 + ', "pressure": 6}',
    '{"temp": "\\ud800", "pressure": 6}',
    '{"temp": ' + "[" * 2_000 + "]" * 2_000 + "}",
    b"\xff\xfe",
    "[]",
    "5",
    "{",
    "",
]
BATCHES = [
    json.dumps({"inputs": [GOOD, BAD, UNCERTAIN, {"temp": 900}]}),
    json.dumps({"inputs": []}),
    json.dumps({"inputs": [GOOD] * 101}),
    json.dumps({"inputs": [GOOD, 5]}),
    json.dumps({"inputs": [GOOD], "model": "yield"}),
    json.dumps([GOOD]),
    '{"inputs": [{"temp": 1e400, "pressure": 6}]}',
    '{"inputs": [{"temp": 361, "pressure": 6, "x": ' + "[" * 70 + "]" * 70 + "}]}",
]


async def test_whatever_is_sent_both_ways_answer_alike(client: httpx.AsyncClient):
    rows = [(f"/predict{query}", row) for query, row in itertools.product(QUERIES, ROWS)]
    odd = [
        (f"{path}{query}", body)
        for query in ODD_QUERIES
        for path, body in (("/predict", ROWS[0]), ("/batch", BATCHES[0]))
    ]
    for path, content in rows + odd + [("/batch", batch) for batch in BATCHES]:
        direct = await answer(client, path, content, DIRECT)
        assert direct == await answer(client, path, content, DOCUMENTED), (path, content)
        assert direct[0] in {200, 404, 413, 422}, (path, content)


async def test_a_number_that_no_double_holds_is_refused_and_never_becomes_null(client: httpx.AsyncClient):
    for kind in (DIRECT, DOCUMENTED):
        status, body = await answer(client, "/batch", '{"inputs": [{"temp": 1e400, "pressure": 6}]}', kind)
        assert (status, body["code"]) == (422, "request.not_json")


async def test_both_ways_let_in_the_same_callers(bench: Bench, client: httpx.AsyncClient):
    limited = ("acme",)
    asked = (("/predict", GOOD), ("/batch", {"inputs": [GOOD]}))
    async with bench.twin(cache_ttl_s=0) as app:
        for role, assets, query, status in (
            (Role.VIEWER, (), "", 403),
            (Role.OPERATOR, limited, "", 403),
            (Role.OPERATOR, limited, "?asset=other", 403),
            (Role.OPERATOR, limited, "?asset=acme.r101", 200),
            (Role.OPERATOR, (), "?model=nobody", 404),
        ):
            async with bench.client(app, role, assets) as caller:
                for (path, body), kind in itertools.product(asked, (DIRECT, DOCUMENTED)):
                    assert (await answer(caller, path + query, json.dumps(body), kind))[0] == status
                counted = (await caller.get("/metrics")).text
            for path, _ in asked:
                assert f'method="POST",route="{API}{path}",service="twin",status="{status}"' in counted


async def test_a_caller_without_an_identity_is_not_let_in(bench: Bench):
    async with bench.twin() as app:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://twin") as client:
            assert (await client.post(f"{API}/predict", json=GOOD)).status_code == 401


@pytest.mark.parametrize(
    ("text", "query"),
    [
        (b"", PredictionQuery()),
        (b"model=a.b-c&level=0.95", PredictionQuery(model="a.b-c", level=0.95)),
        (b"asset=acme.r101&sticky_key=batch%207", PredictionQuery(asset="acme.r101", sticky_key="batch 7")),
        (b"level=0", None),
        (b"level=0.0", None),
        (b"level=1.5", None),
        (b"level=9e-1", None),
        (b"level=", None),
        (b"model=", None),
        (b"model=a&model=b", None),
        (b"modell=a", None),
        (b"asset=a..b", None),
        (b"asset=a%0A", None),
        (b"asset=" + b"a" * 256, None),
        (b"sticky_key=" + b"k" * 129, None),
        (b"model=\xe9", None),
    ],
)
def test_a_query_is_read_only_where_it_is_plain(text: bytes, query: PredictionQuery | None):
    assert read_query(text) == query
