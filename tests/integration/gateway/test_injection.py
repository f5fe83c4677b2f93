"""Text that means something to SQL, HTML, a shell, a log or a template, in every field of the gateway's own routes.

It is data everywhere: stored as it is or refused, and never a 5xx.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx

from services.gateway.bootstrap import FirstAdmin

PAYLOADS = (
    "' OR '1'='1' --",
    "'; DROP TABLE gateway_users; --",
    '1) UNION SELECT username, password_hash FROM gateway_users --"',
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a\r\nSet-Cookie: stolen=1\r\n\r\n<html>",
    "../../../../etc/passwd",
    "${jndi:ldap://127.0.0.1/a}{{7*7}}$(id)`id`",
    "%s%n%d\u202e\u0000\ufeff\U0001f4a5",
)
# A stream without an end, and what would lock the test itself out.
LEFT_OUT = {("post", "/api/v1/auth/logout"), ("delete", "/api/v1/users/{username}"), ("get", "/api/v1/events")}
Operation = dict[str, Any]


def own_operations(document: dict[str, Any]) -> Iterator[tuple[str, str, Operation]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if (method, path) not in LEFT_OUT and not path.startswith(("/docs", "/metrics", "/readyz")):
                yield method, path, operation


def sample(schema: dict[str, Any], schemas: dict[str, Any], text: str) -> Any:
    """Something of the right type, with the text wherever there may be one."""
    if "$ref" in schema:
        return sample(schemas[schema["$ref"].rpartition("/")[2]], schemas, text)
    for choice in schema.get("anyOf", schema.get("allOf", ())):
        if choice.get("type") != "null":
            return sample(choice, schemas, text)
    if schema.get("type") == "object":
        return {name: sample(each, schemas, text) for name, each in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [sample(schema.get("items", {}), schemas, text)]
    return {"integer": 1, "number": 1, "boolean": True}.get(schema.get("type", ""), text)


def body_of(operation: Operation, schemas: dict[str, Any], text: str) -> dict[str, Any]:
    """Keyword arguments of a request."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        made = json.dumps(sample(content["application/json"]["schema"], schemas, text))
        return {"content": made, "headers": {"Content-Type": "application/json"}}
    if "application/x-www-form-urlencoded" in content:
        return {"data": sample(content["application/x-www-form-urlencoded"]["schema"], schemas, text)}
    return {}


def assert_is_data(answer: httpx.Response) -> None:
    where = f"{answer.request.method} {answer.request.url}"
    assert answer.status_code < 500, f"{where}: {answer.text}"
    assert "set-cookie" not in answer.headers, where
    assert "\r" not in answer.headers.get("location", "") + answer.headers.get("x-request-id", ""), where
    if not answer.content:
        return
    assert answer.headers["content-type"].split(";")[0].endswith(("json", "x-ndjson")), where
    assert answer.headers["x-content-type-options"] == "nosniff", where
    assert not re.search(r"sqlite3|psycopg|sqlalchemy|Traceback|root:x:0", answer.text), where


async def test_in_every_field_it_is_only_text(gateway: httpx.AsyncClient, admin: FirstAdmin):
    key = {"X-API-Key": admin.api_key.text}
    users = (await gateway.get("/api/v1/users", headers=key)).json()["items"]
    document = (await gateway.get("/openapi.json")).json()
    operations = list(own_operations(document))
    assert len(operations) > 30
    for text in PAYLOADS:
        for method, path, operation in operations:
            query = {each["name"]: text for each in operation.get("parameters", ()) if each["in"] == "query"}
            filled = re.sub(r"\{[^}]+\}", lambda _, text=text: quote(text, safe=""), path)
            body = body_of(operation, document["components"]["schemas"], text)
            headers = key | body.pop("headers", {}) | {"Idempotency-Key": "a"}
            # Together, as one that is refused hides the others; and each by itself, with one of the texts.
            for names in (query, *({name: text} for name in query if text == PAYLOADS[1] and len(query) > 1)):
                assert_is_data(await gateway.request(method, filled, params=names, headers=headers, **body))
    # Nothing was taken away, and nobody was let in.
    kept = {user["username"] for user in (await gateway.get("/api/v1/users", headers=key)).json()["items"]}
    assert {user["username"] for user in users} <= kept


async def test_a_name_is_kept_as_it_came(gateway: httpx.AsyncClient, admin: FirstAdmin):
    key = {"X-API-Key": admin.api_key.text}
    printable = {text for text in PAYLOADS if text.isprintable()}
    for text in printable:
        made = await gateway.post("/api/v1/api-keys", json={"name": text, "scopes": ["read"]}, headers=key)
        assert made.status_code == 201, made.text
        assert text not in str(made.headers)
    names = {each["name"] for each in (await gateway.get("/api/v1/api-keys", headers=key)).json()["items"]}
    assert printable <= names


async def test_the_text_of_an_address_does_not_become_a_header(gateway: httpx.AsyncClient, admin: FirstAdmin):
    key = {"X-API-Key": admin.api_key.text, "X-Request-ID": "a b"}
    answer = await gateway.get("/api/v1/jobs/%0d%0aSet-Cookie:a=1?x=%0d%0aLocation:http://evil", headers=key)
    assert (answer.status_code, answer.json()["code"]) == (404, "gateway.path_unknown")
    assert not {"set-cookie", "location"} & set(answer.headers)
    assert answer.headers["x-request-id"] != "a b"
