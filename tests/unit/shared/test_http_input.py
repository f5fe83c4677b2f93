"""What a service makes of bodies, addresses and lengths that it cannot use."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.unit.shared.demo_service import client_of, demo_app

JSON_TYPE = {"content-type": "application/json"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(demo_app()) as client:
        yield client


@pytest.mark.parametrize("address", ["/echo/a%00b", "/greeting?limit=%00"])
async def test_an_address_with_a_zero_byte_is_refused_before_any_database_sees_it(
    client: httpx.AsyncClient, address: str
):
    answer = await client.post(address, json={"value": 1.5})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.address_unusable")


async def test_a_named_error_becomes_a_problem_with_its_facts(client: httpx.AsyncClient):
    answer = await client.get("/empty", headers={"X-Request-ID": "r1"})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "7"
    assert answer.json() == {
        "type": "urn:futago:problem:demo.tank_empty",
        "title": "Temporarily unavailable",
        "status": 503,
        "detail": "the tank is empty",
        "instance": "/api/v1/demo/empty",
        "request_id": "r1",
        "code": "demo.tank_empty",
        "errors": [{"pointer": "/value", "detail": "too low", "min": 3}],
        "tank": 4,
    }


async def test_every_fault_of_the_input_is_listed_with_its_pointer(client: httpx.AsyncClient):
    answer = await client.post("/echo/a?limit=many", json={"value": "hot", "note": 7})
    assert answer.status_code == 422
    assert {fault["pointer"] for fault in answer.json()["errors"]} == {"/value", "/note", "?limit"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"value": NaN}', "request.not_json"),
        (b'{"value": -Infinity}', "request.not_json"),
        (b'{"value": 1, "note": "\\ud800"}', "request.not_json"),
        (b'{"value": 1', "request.not_json"),
        (b'{"value": nul}', "request.not_json"),
        (b"\xff\xfe", "request.not_json"),
        (b"[" * 1900, "request.not_json"),
        (b'{"value": 1, "note": "\xed\xa0\x80"}', "request.not_json"),
        ('{"value": NaN}'.encode("utf-16-le"), "request.not_json"),
        (b'{"value": 1, "more": ' + b"[" * 64 + b"]" * 64 + b"}", "request.not_json"),
        (b'{"value": 1, "more": ' + b'[{"a":' * 32 + b"1" + b"}]" * 32 + b"}", "request.not_json"),
        (b"", "request.invalid"),
    ],
)
async def test_what_json_cannot_hold_is_a_422(client: httpx.AsyncClient, body: bytes, code: str):
    answer = await client.post("/echo/a", content=body, headers=JSON_TYPE)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_media_type_in_capitals_is_checked_as_any_other(client: httpx.AsyncClient):
    answer = await client.post("/echo/a", content=b'{"value": NaN}', headers={"content-type": "Application/JSON"})
    assert answer.json()["code"] == "request.not_json"


@pytest.mark.parametrize(
    "body",
    [
        b'{"value": 1, "more": ' + b"[" * 63 + b"]" * 63 + b"}",
        b'{"value": 1, "note": "' + b"[" * 500 + b'"}',
        b'{"value": 1, "more": [' + b",".join([b'{"a": [1, {"b": []}]}'] * 30) + b"]}",
        b'\xef\xbb\xbf{"value": 1, "note": "\xc3\xa9"}',
    ],
    ids=["63 levels", "brackets in a text", "many shallow values", "byte order mark"],
)
async def test_what_is_json_and_not_too_deep_passes(client: httpx.AsyncClient, body: bytes):
    assert (await client.post("/echo/a", content=body, headers=JSON_TYPE)).status_code == 200


async def test_the_faults_that_are_not_listed_are_counted(client: httpx.AsyncClient):
    answer = await client.post("/strict", json={str(number): 1 for number in range(250)})
    assert (answer.status_code, len(answer.json()["errors"]), answer.json()["errors_left_out"]) == (422, 100, 150)


async def test_text_that_only_mentions_nan_passes(client: httpx.AsyncClient):
    body = {"value": 1.0, "note": "NaN, Infinity and \U0001f600"}
    assert (await client.post("/echo/a", json=body)).json() == body


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_its_limit_is_a_413_whether_or_not_its_length_is_declared(
    client: httpx.AsyncClient, content_type: str, *, declared: bool
):
    async def drops() -> AsyncIterator[bytes]:
        for _ in range(21):
            yield b"x" * 100

    content: Any = b"x" * 2100 if declared else drops()
    answer = await client.post("/echo/a", content=content, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (413, "request.body_too_large")


async def test_an_upload_has_its_own_limit(client: httpx.AsyncClient):
    assert (await client.post("/upload", files={"file": b"x" * 5000})).json() == 5000
    assert (await client.post("/upload", files={"file": b"x" * 11_000})).status_code == 413


async def test_an_upload_that_stops_in_the_middle_is_not_waited_for_for_ever(client: httpx.AsyncClient):
    async def half_a_file() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'
        await asyncio.Event().wait()

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = await client.post("/upload", content=half_a_file(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (504, "request.body_stalled")


async def test_a_length_that_is_no_number_is_refused():
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/demo/upload", "raw_path": b"", "query_string": b"",
        "headers": [(b"content-length", b"-1")], "scheme": "http", "server": ("demo", 80), "root_path": "",
    }  # fmt: skip
    await demo_app()(scope, receive, send)
    assert sent[0]["status"] == 413
