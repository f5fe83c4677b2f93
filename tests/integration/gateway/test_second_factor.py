"""Second factors over HTTP, on two replicas, and as the databases keep them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pyotp
import pytest
from sqlalchemy import select

from services.gateway.adapters.sql_second_factors import SqlSecondFactors
from services.gateway.adapters.sql_users import SqlUsers
from services.gateway.adapters.tables import migrate_gateway, recovery_codes, second_factors
from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin, new_admin, store_first_admin
from services.gateway.domain.delegation import shown_to
from services.gateway.domain.factor_errors import SecondFactorEnrolled, SecondFactorMissing
from services.gateway.domain.second_factor import Factor
from services.gateway.settings import GatewaySettings
from shared.clock import SystemClock
from shared.database import open_engine, read
from shared.principal import Role
from tests.integration.gateway.conftest import running
from tests.unit.gateway.fakes import principal, unchecked, user

PASSWORD = "a long walk by the river"
NOW = datetime(2026, 4, 1, tzinfo=UTC)
Replicas = tuple[httpx.AsyncClient, httpx.AsyncClient]


@dataclass(slots=True)
class Session:
    """A person with a password, at one of the replicas."""

    client: httpx.AsyncClient
    username: str
    password: str
    headers: dict[str, str] = field(default_factory=dict)
    refresh_token: str = ""

    async def login(self, code: str | None = None) -> httpx.Response:
        body = {"username": self.username, "password": self.password} | ({} if code is None else {"code": code})
        return self._keep(await self.client.post("/api/v1/auth/login", json=body))

    async def refresh(self) -> httpx.Response:
        body = {"refresh_token": self.refresh_token}
        return self._keep(await self.client.post("/api/v1/auth/refresh", json=body))

    async def factor(self, method: str, path: str = "", **body: str) -> httpx.Response:
        url = f"/api/v1/users/{self.username}/second-factor{path}"
        return await self.client.request(method, url, json=body, headers=self.headers)

    async def me(self) -> dict[str, object]:
        return (await self.client.get("/api/v1/auth/me", headers=self.headers)).json()

    async def enrol(self) -> tuple[pyotp.TOTP, list[str]]:
        """Enrol, and go on with a refreshed session; the code of the next step is still unused."""
        enrolment = (await self.factor("POST", password=self.password)).json()
        app = pyotp.parse_uri(enrolment["uri"])
        confirmed = await self.factor("POST", "/confirm", code=app.now())
        assert confirmed.status_code == 200, confirmed.text
        assert (await self.refresh()).status_code == 200
        return app, confirmed.json()["recovery_codes"]

    def _keep(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code == 200:
            self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            self.refresh_token = answer.json()["refresh_token"]
        return answer


def next_code(app: pyotp.TOTP) -> str:
    return app.at(time.time(), counter_offset=1)


@pytest.fixture
async def replicas(settings: GatewaySettings, admin: FirstAdmin) -> AsyncIterator[Replicas]:
    async with running(create_app(settings)) as first, running(create_app(settings)) as second:
        yield first, second


@pytest.fixture
async def root(replicas: Replicas, admin: FirstAdmin) -> Session:
    session = Session(replicas[0], "admin", admin.password)
    assert (await session.login()).status_code == 200
    return session


async def add_user(root: Session, client: httpx.AsyncClient, username: str, role: str = "operator") -> Session:
    body = {"username": username, "password": PASSWORD, "role": role}
    assert (await root.client.post("/api/v1/users", json=body, headers=root.headers)).status_code == 201
    session = Session(client, username, PASSWORD)
    assert (await session.login()).status_code == 200
    return session


async def test_a_login_needs_password_and_code_and_no_code_counts_twice(replicas: Replicas, root: Session):
    olga = await add_user(root, replicas[0], "olga")
    app, codes = await olga.enrol()
    assert (await olga.me())["second_factor"] is True
    without = await olga.login()
    assert (without.status_code, without.json()["code"]) == (401, "auth.second_factor_required")
    wrong = await Session(replicas[1], "olga", "wrong password here").login(next_code(app))
    assert (wrong.status_code, wrong.json()["code"]) == (401, "gateway.wrong_credentials")
    code = next_code(app)
    assert (await olga.login(code)).status_code == 200
    elsewhere = Session(replicas[1], "olga", PASSWORD)
    for spent in (code, "000000"):
        refused = await elsewhere.login(spent)
        assert (refused.status_code, refused.json()["code"]) == (401, "gateway.wrong_credentials")
    assert (await elsewhere.login(codes[0].lower())).status_code == 200
    assert (await olga.login(codes[0])).status_code == 401
    form = {"username": "olga", "password": PASSWORD, "grant_type": "password", "code": codes[1]}
    assert (await replicas[0].post("/api/v1/auth/token", data=form)).status_code == 200


async def test_enrolling_ends_other_sessions_and_old_tokens_everywhere(replicas: Replicas, root: Session):
    olga = await add_user(root, replicas[0], "olga")
    other = Session(replicas[1], "olga", PASSWORD)
    await other.login()
    old = dict(olga.headers)
    assert [(await client.get("/api/v1/auth/me", headers=old)).status_code for client in replicas] == [200, 200]
    await olga.enrol()
    assert [(await client.get("/api/v1/auth/me", headers=old)).status_code for client in replicas] == [401, 401]
    assert (await other.refresh()).status_code == 401
    assert (await olga.me())["user"] == "olga"


async def test_new_recovery_codes_replace_the_old_and_removal_takes_both_factors(replicas: Replicas, root: Session):
    olga = await add_user(root, replicas[0], "olga")
    app, codes = await olga.enrol()
    renewed = await olga.factor("POST", "/recovery-codes", code=codes[0])
    assert (renewed.status_code, len(renewed.json()["recovery_codes"])) == (200, 10)
    assert renewed.headers["cache-control"] == "no-store"
    assert (await olga.factor("DELETE", password=PASSWORD, code=codes[1])).status_code == 401
    assert (await olga.factor("DELETE", password=PASSWORD)).status_code == 401
    assert (await olga.factor("DELETE", password=PASSWORD, code=next_code(app))).status_code == 204
    assert (await olga.refresh()).status_code == 200
    assert (await olga.me())["second_factor"] is False
    assert (await olga.login()).status_code == 200


async def test_an_administrator_removes_a_lost_one_and_sees_who_has_one(replicas: Replicas, root: Session):
    olga = await add_user(root, replicas[1], "olga")
    await olga.enrol()
    path = "/api/v1/users/olga"
    shown = (await root.client.get(path, headers=root.headers)).json()
    assert (shown["second_factor"], shown["last_login_at"] is not None) == (True, True)
    assert (await root.client.delete(f"{path}/second-factor", headers=root.headers)).status_code == 204
    assert (await olga.client.get("/api/v1/auth/me", headers=olga.headers)).status_code == 401
    assert (await olga.refresh()).status_code == 401
    assert (await olga.login()).status_code == 200
    trail = (await root.client.get("/api/v1/audit?user=olga", headers=root.headers)).json()["items"]
    assert {"user.second_factor_begun", "user.second_factor_enrolled"} <= {entry["action"] for entry in trail}


async def test_where_the_role_needs_one_nothing_else_is_open_until_it_is_enrolled(
    settings: GatewaySettings, admin: FirstAdmin
):
    strict = settings.model_copy(update={"require_second_factor": ("admin",)})
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(running(create_app(strict))) for _ in range(2)]
        root = Session(clients[0], "admin", admin.password)
        assert (await root.login()).status_code == 200
        said = await root.me()
        assert (said["duty"], said["scopes"]) == ("enrol_second_factor", [])
        for method, path in (("GET", "/api/v1/users"), ("GET", "/api/v1/api-keys"), ("GET", "/api/v1/twin/models")):
            refused = await clients[1].request(method, path, headers=root.headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "auth.second_factor_enrolment_required")
        key = {"X-API-Key": admin.api_key.text}
        assert (await clients[0].get("/api/v1/alerts", headers=key)).status_code == 200
        assert (await clients[0].get("/api/v1/users", headers=key)).status_code == 403
        await root.enrol()
        assert (await root.me())["duty"] is None
        for headers in (root.headers, key):
            assert (await clients[1].get("/api/v1/users", headers=headers)).status_code == 200


async def test_a_short_password_has_to_be_changed_once_its_second_factor_is_gone(replicas: Replicas, root: Session):
    olga = await add_user(root, replicas[0], "olga")
    app, codes = await olga.enrol()
    path = "/api/v1/users/olga/password"
    short = {"new_password": "river 77", "current_password": PASSWORD}
    assert (await olga.client.post(path, json=short, headers=olga.headers)).status_code == 204
    olga.password = "river 77"
    assert (await olga.login(codes[0])).status_code == 200
    assert (await olga.factor("DELETE", password="river 77", code=next_code(app))).status_code == 204
    assert (await olga.refresh()).status_code == 200
    assert (await olga.me())["duty"] == "change_password"
    refused = await olga.client.get("/api/v1/twin/models", headers=olga.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.password_change_required")
    again = {"new_password": "river 78", "current_password": "river 77"}
    assert (await olga.client.post(path, json=again, headers=olga.headers)).status_code == 422
    longer = {"new_password": PASSWORD, "current_password": "river 77"}
    assert (await olga.client.post(path, json=longer, headers=olga.headers)).status_code == 204
    olga.password = PASSWORD
    assert (await olga.login()).status_code == 200
    assert (await olga.me())["duty"] is None


async def test_the_database_holds_neither_secret_nor_codes(
    replicas: Replicas, root: Session, settings: GatewaySettings
):
    olga = await add_user(root, replicas[0], "olga")
    app, codes = await olga.enrol()
    engine = open_engine(settings.database_url.get_secret_value())
    with read(engine) as connection:
        (sealed,) = connection.execute(select(second_factors.c.sealed_secret)).scalars()
        digests = connection.execute(select(recovery_codes.c.digest)).scalars().all()
    engine.dispose()
    assert app.byte_secret() not in sealed
    assert not any(code.replace("-", "").encode() in digest for code in codes for digest in digests)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlSecondFactors]:
    migrate_gateway(database_url)
    engine = open_engine(database_url)
    await SqlUsers(engine).add(user())
    yield SqlSecondFactors(engine)
    engine.dispose()


DIGESTS = tuple(bytes([number]) * 32 for number in range(10))


async def test_of_two_uses_at_once_one_counts(store: SqlSecondFactors):
    factor = Factor("olga", b"sealed", NOW)
    await store.begin(factor)
    assert not await store.use_step("olga", 5)
    changed = await store.confirm(factor, step=5, digests=DIGESTS, now=NOW, kept_session=None)
    assert (changed.second_factor, changed.generation) == (True, 2)
    spent = await asyncio.gather(*(store.use_step("olga", 6) for _ in range(8)))
    assert sum(spent) == 1
    assert [await store.use_step("olga", step) for step in (5, 6, 7)] == [False, False, True]
    used = await asyncio.gather(*(store.use_recovery_code("olga", DIGESTS[3]) for _ in range(8)))
    assert sum(used) == 1


async def test_what_is_confirmed_is_the_secret_that_was_shown_last(store: SqlSecondFactors):
    old, new = Factor("olga", b"old", NOW), Factor("olga", b"new", NOW)
    await store.begin(old)
    await store.begin(new)
    with pytest.raises(SecondFactorMissing):
        await store.confirm(old, step=1, digests=DIGESTS, now=NOW, kept_session=None)
    outcomes = await asyncio.gather(
        *(store.confirm(new, step=1, digests=DIGESTS, now=NOW, kept_session=None) for _ in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, SecondFactorMissing) for outcome in outcomes) == 3
    with pytest.raises(SecondFactorEnrolled):
        await store.begin(old)
    assert (await store.get("olga")).sealed_secret == b"new"


async def test_a_removed_factor_leaves_nothing_behind(store: SqlSecondFactors):
    factor = Factor("olga", b"sealed", NOW)
    await store.begin(factor)
    await store.confirm(factor, step=1, digests=DIGESTS, now=NOW, kept_session=None)
    assert (await store.remove("olga", now=NOW, kept_session=None, check=unchecked)).generation == 3
    assert not await store.use_recovery_code("olga", DIGESTS[0])
    again = store.remove("olga", now=NOW, kept_session=None, check=unchecked)
    for gone in (again, store.get("olga"), store.get("no such name")):
        with pytest.raises(SecondFactorMissing):
            await gone
    with pytest.raises(SecondFactorMissing):
        await store.replace_recovery_codes("olga", DIGESTS)


async def test_a_deleted_user_takes_the_secret_along(store: SqlSecondFactors, database_url: str):
    factor = Factor("olga", b"sealed", NOW)
    await store.begin(factor)
    await store.confirm(factor, step=1, digests=DIGESTS, now=NOW, kept_session=None)
    engine = open_engine(database_url)
    await SqlUsers(engine).delete("olga", NOW, check=unchecked)
    engine.dispose()
    with pytest.raises(SecondFactorMissing):
        await store.get("olga")
    assert not await store.use_recovery_code("olga", DIGESTS[0])


async def test_a_hash_is_renewed_unless_the_password_was_changed_meanwhile(store: SqlSecondFactors, database_url: str):
    engine = open_engine(database_url)
    users = SqlUsers(engine)
    before = (await users.get("olga")).password_hash
    await users.replace_hash("olga", "another", "new")
    assert (await users.get("olga")).password_hash == before
    await users.replace_hash("olga", before, "new")
    await users.note_login("olga", NOW)
    after = await users.get("olga")
    engine.dispose()
    assert (after.password_hash, after.generation, after.last_login_at) == ("new", 1, NOW)


async def test_of_two_bootstraps_at_once_one_makes_the_administrator(database_url: str):
    migrate_gateway(database_url)
    kept: list[str] = []
    made = await asyncio.gather(
        *(
            store_first_admin(database_url, new_admin(name), SystemClock(), lambda name=name: kept.append(name))
            for name in ("admin", "root")
        ),
        return_exceptions=True,
    )
    engine = open_engine(database_url)
    page = await SqlUsers(engine).page(limit=10, cursor=None, shown=shown_to(principal("root", Role.ADMIN)))
    engine.dispose()
    assert sum(outcome is True for outcome in made) == 1, made
    assert len(page.items) == 1
