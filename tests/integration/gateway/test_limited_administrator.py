"""What an administrator who is limited to one site finds out about users, keys, sessions and what was done."""

import itertools
import json
from collections.abc import Mapping

import httpx
import pytest
from sqlalchemy import Engine, insert

from services.gateway.adapters.sql_keys import SqlKeys, key_row
from services.gateway.adapters.sql_users import SqlUsers, user_row
from services.gateway.adapters.tables import api_keys, users
from services.gateway.domain.api_keys import ApiKey
from services.gateway.domain.delegation import shown_to
from services.gateway.domain.key_requests import KeyFilter
from services.gateway.domain.pages import MAX_ITEMS, read_cursor
from shared.database import write
from shared.principal import Permission, Role
from tests.unit.gateway.fakes import NOW, principal, user

PASSWORD = "a long walk by the river"
# Everybody but the first administrator: role and assets.
PEOPLE: Mapping[str, tuple[str, list[str]]] = {
    "ann": ("admin", ["acme.osaka"]),
    "boss": ("admin", []),
    "olga": ("operator", ["acme.osaka.reactor"]),
    "osaka-two": ("operator", ["acme.osaka2"]),
    "tom": ("operator", ["acme.tokyo"]),
    "torn": ("operator", ["acme.osaka.reactor", "acme.tokyo"]),
}
SEEN = ["ann", "olga"]


@pytest.fixture
async def ann(gateway: httpx.AsyncClient, token: str) -> httpx.AsyncClient:
    """The gateway as the administrator of one site sees it; each of the people has a key."""
    root = {"Authorization": f"Bearer {token}"}
    for name, (role, assets) in PEOPLE.items():
        body = {"username": name, "password": PASSWORD, "role": role, "assets": assets}
        assert (await gateway.post("/api/v1/users", json=body, headers=root)).status_code == 201
        key = {"name": f"key of {name}", "owner": name}
        assert (await gateway.post("/api/v1/api-keys", json=key, headers=root)).status_code == 201
    for name in ("olga", "tom", "ann"):
        login = {"username": name, "password": PASSWORD}
        pair = (await gateway.post("/api/v1/auth/login", json=login)).json()
    gateway.headers["Authorization"] = f"Bearer {pair['access_token']}"
    return gateway


async def pages(client: httpx.AsyncClient, path: str, limit: int) -> list[dict[str, object]]:
    """Every item of a list, page by page; each page but the last is full."""
    items, cursor = [], None
    while True:
        query = {"limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
        answer = await client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return items
        assert len(answer.json()["items"]) == limit
        assert not any(name in (read_cursor(cursor) or "") for name in PEOPLE.keys() - SEEN)


async def test_lists_hold_those_who_work_within_the_site_and_pages_are_full(ann: httpx.AsyncClient):
    for limit in (1, 50):
        assert [item["username"] for item in await pages(ann, "/api/v1/users", limit)] == SEEN
        keys = await pages(ann, "/api/v1/api-keys", limit)
        assert sorted(str(key["owner"]) for key in keys) == SEEN
    assert (await ann.get("/api/v1/api-keys", params={"owner": "tom"})).json()["items"] == []


async def test_only_those_within_the_site_are_shown(ann: httpx.AsyncClient):
    for name, below in itertools.product(("admin", *PEOPLE), ("", "/sessions")):
        answer = await ann.get(f"/api/v1/users/{name}{below}")
        if name in SEEN:
            assert answer.status_code == 200
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "gateway.beyond_own_rights")


async def test_the_trail_tells_what_those_within_the_site_did_and_the_others_nothing(ann: httpx.AsyncClient):
    assert (await ann.delete("/api/v1/users/olga")).status_code == 204
    found = await pages(ann, "/api/v1/audit", 2)
    # What somebody who is gone did stays readable for whoever administered them.
    assert {str(entry["user"]) for entry in found} == set(SEEN)
    assert {"auth.login", "user.deleted"} <= {entry["action"] for entry in found}
    exported = [json.loads(line) for line in (await ann.get("/api/v1/audit/export")).text.splitlines()]
    assert {entry["user"] for entry in exported} == set(SEEN)
    for asked in ({"user": "tom"}, {"user": "admin", "action": "user.created"}):
        assert (await ann.get("/api/v1/audit", params=asked)).json()["items"] == []
        assert (await ann.get("/api/v1/audit/export", params=asked)).text == ""


async def test_identities_whose_assets_only_their_tokens_tell_are_for_unlimited_administrators(ann: httpx.AsyncClient):
    changed = {"active": False}
    for answer in (await ann.get("/api/v1/identities"), await ann.patch("/api/v1/identities/x", json=changed)):
        assert (answer.status_code, answer.json()["code"]) == (403, "gateway.beyond_own_rights")


async def test_a_page_is_full_however_many_lie_between_that_are_not_shown(engine: Engine):
    # One of the site, then more than are read at once of elsewhere, then two of the site.
    names = ["a", *(f"b{number:04}" for number in range(2 * MAX_ITEMS + 3)), "c", "d"]
    mine, others = ("acme.osaka",), ("acme.tokyo",)
    people = [user(name, assets=others if name.startswith("b") else mine) for name in names]
    keys = [
        # A key may be narrower than its owner, and an owner narrower than a key.
        ApiKey(name, name, name, b"", None, None, frozenset(), ("acme",), True, 1, NOW, NOW, None)
        for name in names
    ]
    with write(engine) as connection:
        connection.execute(insert(users), [user_row(each) for each in people])
        connection.execute(insert(api_keys), [key_row(key) for key in keys])
    shown = shown_to(principal("ann", Role.ADMIN, assets=mine))
    stored, stored_keys = SqlUsers(engine), SqlKeys(engine)
    first = await stored.page(limit=2, cursor=None, shown=shown)
    assert ([each.username for each in first.items], read_cursor(first.next_cursor)) == (["a", "c"], "c")
    second = await stored.page(limit=2, cursor=first.next_cursor, shown=shown)
    assert ([each.username for each in second.items], second.next_cursor) == (["d"], None)
    found = await stored_keys.page(KeyFilter(), now=NOW, limit=2, cursor=None, shown=shown)
    assert ([key.owner for key in found.items], read_cursor(found.next_cursor)) == (["a", "c"], "c")


async def test_a_key_made_of_somebody_who_is_not_limited_opens_nothing_beyond_the_site(
    ann: httpx.AsyncClient, token: str
):
    root = {"Authorization": f"Bearer {token}"}
    made = await ann.post("/api/v1/api-keys", json={"name": "everywhere"}, headers=root)
    wide = f"/api/v1/api-keys/{made.json()['id']}"
    every = [permission.value for permission in Permission]
    made = await ann.post("/api/v1/api-keys", json={"name": "here", "owner": "admin", "scopes": every})
    assert (made.status_code, made.json()["assets"]) == (201, ["acme.osaka"])
    del ann.headers["Authorization"]
    ann.headers["X-API-Key"] = made.json()["api_key"]
    for method, path, body in (
        ("GET", wide, None),
        ("PATCH", wide, {"active": False}),
        ("DELETE", wide, None),
        ("GET", "/api/v1/users/admin", None),
        ("GET", "/api/v1/users/admin/sessions", None),
        ("DELETE", "/api/v1/users/admin/sessions", None),
    ):
        answer = await ann.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "gateway.beyond_own_rights"), path
    assert [item["username"] for item in await pages(ann, "/api/v1/users", 50)] == SEEN
    assert made.json()["id"] in {key["id"] for key in await pages(ann, "/api/v1/api-keys", 50)}
    assert {str(entry["user"]) for entry in await pages(ann, "/api/v1/audit", 50)} == set(SEEN)
