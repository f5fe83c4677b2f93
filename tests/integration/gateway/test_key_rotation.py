"""Signing keys change while requests go on, and nobody notices."""

import asyncio
import base64
import json
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
from starlette.types import Receive, Scope, Send

from futago.key_rotation import KeyPairFiles, rotate
from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin
from services.gateway.settings import GatewaySettings
from shared.clock import SystemClock
from shared.http.identity import RequireIdentity
from shared.http.problems import problem_of
from shared.internal_token import IdentityVerifier
from shared.jwt import InvalidToken
from tests.integration.gateway.conftest import running, serve
from tests.integration.gateway.upstream import Upstream

# Everybody looks at the key files once a second.
SETTLE = timedelta(seconds=1.3)
LIFE = timedelta(minutes=10)


class Service:
    """A service that believes nobody but the gateway, with keys from a file."""

    def __init__(self, public_keys: Path) -> None:
        verifier = IdentityVerifier.reading(public_keys, audience="twin", clock=SystemClock())
        self._app = RequireIdentity(Upstream(), verifier, open_paths=("/openapi.json", "/readyz"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except InvalidToken as error:
            await problem_of(error, scope["path"])(scope, receive, send)


def pair(private: Path) -> KeyPairFiles:
    return KeyPairFiles(private, private.with_name(f"{private.stem}.pub.pem"))


async def turn(files: KeyPairFiles, *, settle: timedelta = SETTLE, life: timedelta = LIFE) -> str:
    """Rotate as the command does, beside the event loop."""
    return await asyncio.to_thread(
        partial(rotate, files, settle=settle, life=life, clock=SystemClock(), sleep=time.sleep)
    )


async def sign_in(client: httpx.AsyncClient, admin: FirstAdmin) -> httpx.Response:
    return await client.post("/api/v1/auth/login", json={"username": "admin", "password": admin.password})


def bearer(answer: httpx.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def test_keys_are_rotated_twice_under_load_without_an_error(settings: GatewaySettings, admin: FirstAdmin):
    access, identity = pair(settings.access_key_file), pair(settings.identity_private_key_file)
    async with serve(Service(identity.public)) as url, AsyncExitStack() as stack:
        told = settings.model_copy(update={"twin_url": url, "access_verify_files": (access.public,)})
        clients = [await stack.enter_async_context(running(create_app(told))) for _ in range(2)]
        statuses: Counter[tuple[str, int]] = Counter()
        going = True

        async def use(number: int) -> None:
            """Log in at one replica, work at the other, and renew at the first."""
            here, there = clients[number % 2], clients[1 - number % 2]
            pair = await sign_in(here, admin)
            statuses["login", pair.status_code] += 1
            while going:
                for _ in range(5):
                    answer = await there.post("/api/v1/twin/predict", json={}, headers=bearer(pair))
                    statuses["predict", answer.status_code] += 1
                    await asyncio.sleep(0.01)
                pair = await here.post("/api/v1/auth/refresh", json={"refresh_token": pair.json()["refresh_token"]})
                statuses["refresh", pair.status_code] += 1

        users = [asyncio.create_task(use(number)) for number in range(4)]
        first = await sign_in(clients[0], admin)
        made = [await asyncio.gather(turn(access), turn(identity)) for _ in range(2)]
        await asyncio.sleep(SETTLE.total_seconds())
        going = False
        await asyncio.gather(*users)
        assert set(statuses) == {("login", 200), ("predict", 202), ("refresh", 200)}
        assert statuses["predict", 202] > 100
        # A token of the first key, older than both rotations, still counts; new ones name the newest key.
        assert (await clients[1].get("/api/v1/auth/me", headers=bearer(first))).status_code == 200
        newest = (await sign_in(clients[1], admin)).json()["access_token"]
        shown = await clients[0].get("/.well-known/jwks.json")
        assert shown.json()["keys"][0]["kid"] == made[1][0]
        assert len(shown.json()["keys"]) == 3
        assert shown.headers["cache-control"] == "public, max-age=5"
        assert _key_id(newest) == made[1][0]


async def test_after_a_theft_no_token_of_the_old_key_counts_any_longer(settings: GatewaySettings, admin: FirstAdmin):
    access = pair(settings.access_key_file)
    told = settings.model_copy(update={"access_verify_files": (access.public,)})
    async with running(create_app(told)) as client:
        old = await sign_in(client, admin)
        assert (await client.get("/api/v1/auth/me", headers=bearer(old))).status_code == 200
        await turn(access, settle=timedelta(0), life=timedelta(0))
        async with asyncio.timeout(3):
            # Although it was verified before, and is remembered.
            while (await client.get("/api/v1/auth/me", headers=bearer(old))).status_code != 401:
                await asyncio.sleep(0.1)
        renewed = await client.post("/api/v1/auth/refresh", json={"refresh_token": old.json()["refresh_token"]})
        assert (await client.get("/api/v1/auth/me", headers=bearer(renewed))).status_code == 200


async def test_a_key_file_of_no_use_changes_nothing_and_is_counted(settings: GatewaySettings, admin: FirstAdmin):
    async with running(create_app(settings)) as client:
        token = await sign_in(client, admin)
        settings.access_key_file.write_text("no key")
        async with asyncio.timeout(5):
            none = 'futago_key_file_faults_total{service="gateway"} 0.0'
            while none in (await client.get("/metrics")).text:
                await asyncio.sleep(0.1)
        assert (await client.get("/api/v1/auth/me", headers=bearer(token))).status_code == 200
        assert (await client.get("/api/v1/auth/me", headers=bearer(await sign_in(client, admin)))).status_code == 200


def _key_id(token: str) -> str:
    header = token.partition(".")[0]
    kid: str = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]
    return kid
