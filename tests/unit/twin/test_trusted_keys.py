"""Whose bundles are accepted: the folder of the installation, and the keys that an administrator enrolled."""

from datetime import datetime

import httpx
import pytest
from sqlalchemy import create_engine

from services.twin.adapters.key_ring import KeyRing
from services.twin.adapters.sql_trusted_keys import SqlTrustedKeys
from services.twin.domain.trust import TrustedKey
from shared.onnx.signing import TrustStore
from shared.principal import Role
from tests.unit.twin.twin_service import GOOD, Bench, publish

KEYS = "/api/v1/twin/trusted-keys"


async def enrol(admin: httpx.AsyncClient, bench: Bench, name: str = "other") -> httpx.Response:
    return await admin.post(KEYS, json={"public_key": bench.key(name).public_pem().decode()})


async def test_a_key_enrolled_on_one_replica_counts_on_the_other_at_once_and_so_does_its_removal(bench: Bench):
    other = bench.key("other")
    async with (
        bench.twin() as one,
        bench.twin() as two,
        bench.client(two) as engineer,
        bench.client(one, Role.ADMIN) as admin,
    ):
        refused = await publish(engineer, bench.archive(key=other))
        assert (refused.status_code, refused.json()["code"]) == (422, "bundle.untrusted_key")
        answer = await enrol(admin, bench)
        assert (answer.status_code, answer.json()["key_id"]) == (201, other.key_id)
        assert (answer.json()["source"], answer.json()["enrolled_by"]) == ("enrolled", "kato")
        assert (await publish(engineer, bench.archive(key=other))).status_code == 201
        assert (await admin.delete(f"{KEYS}/{other.key_id}")).status_code == 204
        assert (await publish(engineer, bench.archive("power", key=other))).status_code == 422


async def test_a_loaded_version_outlives_its_key_and_is_refused_when_it_has_to_be_loaded_again(bench: Bench):
    other = bench.key("other")
    async with bench.twin() as app, bench.client(app, Role.ADMIN) as admin:
        await enrol(admin, bench)
        await publish(admin, bench.archive(key=other))
        await admin.delete(f"{KEYS}/{other.key_id}")
        assert (await admin.post("/api/v1/twin/predict", json=GOOD)).status_code == 200
    async with bench.twin() as restarted, bench.client(restarted) as client:
        response = await client.post("/api/v1/twin/predict", json=GOOD)
    assert (response.status_code, response.json()["code"]) == (503, "twin.version_unusable")
    assert response.json()["reason"] == "bundle.untrusted_key"


async def test_the_list_tells_the_folder_s_keys_from_the_enrolled_ones(bench: Bench):
    async with bench.twin() as app, bench.client(app, Role.ADMIN) as admin:
        await enrol(admin, bench)
        assert (await enrol(admin, bench)).status_code == 201
        items = (await admin.get(KEYS)).json()["items"]
        assert {item["key_id"]: item["source"] for item in items} == {
            bench.key().key_id: "folder",
            bench.key("other").key_id: "enrolled",
        }
        assert [item["enrolled_at"] for item in items if item["source"] == "folder"] == [None]


@pytest.mark.parametrize(
    ("key_id", "status", "code"),
    [("folder", 409, "twin.trusted_key_in_folder"), ("0" * 16, 404, "twin.trusted_key_missing"), ("..", 404, None)],
)
async def test_a_key_that_was_not_enrolled_cannot_be_removed(bench: Bench, key_id: str, status: int, code: str | None):
    wanted = bench.key().key_id if key_id == "folder" else key_id
    async with bench.twin() as app, bench.client(app, Role.ADMIN) as admin:
        response = await admin.delete(f"{KEYS}/{wanted}")
        assert response.status_code == status
        assert code is None or response.json()["code"] == code


@pytest.mark.parametrize("public_key", ["", "no key", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "\x00"])
async def test_what_is_no_ed25519_key_is_a_422(bench: Bench, public_key: str):
    async with bench.twin() as app, bench.client(app, Role.ADMIN) as admin:
        response = await admin.post(KEYS, json={"public_key": public_key})
    assert (response.status_code, response.json()["code"]) == (422, "bundle.key_unusable")


async def test_a_key_of_another_kind_is_a_422(bench: Bench):
    async with bench.twin() as app, bench.client(app, Role.ADMIN) as admin:
        response = await admin.post(KEYS, json={"public_key": bench.key_pair.public.decode()})
    assert response.status_code == 422


async def test_only_an_administrator_manages_keys(bench: Bench):
    async with bench.twin() as app, bench.client(app, Role.ENGINEER) as engineer:
        statuses = [
            (await engineer.get(KEYS)).status_code,
            (await enrol(engineer, bench)).status_code,
            (await engineer.delete(f"{KEYS}/{bench.key().key_id}")).status_code,
        ]
    assert statuses == [403, 403, 403]


def test_a_key_is_taken_out_of_a_folder_whatever_its_file_is_called(bench: Bench):
    trust = TrustStore(bench.folder / "other-trust")
    key_id = trust.enrol(bench.key().public_pem())
    (bench.folder / "other-trust" / f"{key_id}.pem").rename(bench.folder / "other-trust" / "packager.pem")
    assert trust.withdraw(key_id)
    assert not trust.withdraw(key_id)
    assert trust.key_ids() == ()


async def test_a_key_that_another_administrator_removes_meanwhile_is_told_as_it_was_enrolled(bench: Bench):
    class Forgetful(SqlTrustedKeys):
        """Somebody else removes every key as soon as it was added."""

        def all(self) -> list[TrustedKey]:
            return []

        def add(self, key: TrustedKey, *, now: datetime) -> None:
            """Nothing stays."""

    ring = KeyRing(bench.trust, Forgetful(create_engine("sqlite://")), bench.clock)
    key = bench.key("other")
    assert (await ring.enrol(key.public_pem().decode(), user="kato")).key_id == key.key_id
