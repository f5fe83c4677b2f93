"""The real embedded server."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis
import redis.asyncio

from futago.launcher.ports import free_ports
from futago.launcher.valkey import Valkey


@pytest.fixture
def server(tmp_path: Path) -> Valkey:
    return Valkey(tmp_path, free_ports(1)[0])


async def start(server: Valkey) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *server.command(), env={"PATH": os.defpath}, stdout=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(10.0):
        # A server tells nobody when it begins to listen: asking is all there is.
        while not await server.ready():
            await asyncio.sleep(0.02)
    return process


@pytest.fixture
async def running(server: Valkey) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await start(server)
    yield process
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_it_answers_its_own_url(server: Valkey, running: asyncio.subprocess.Process):
    async with redis.asyncio.Redis.from_url(server.url) as client:
        assert await client.ping()


async def test_it_answers_nobody_without_the_password(server: Valkey, running: asyncio.subprocess.Process):
    async with redis.asyncio.Redis(port=server.port) as client:
        with pytest.raises(redis.AuthenticationError):
            await client.ping()


async def test_what_was_accepted_survives_a_restart(server: Valkey, running: asyncio.subprocess.Process):
    async with redis.asyncio.Redis.from_url(server.url) as client:
        await client.set("job", "queued")
    running.terminate()
    await running.wait()
    again = await start(server)
    try:
        async with redis.asyncio.Redis.from_url(server.url, decode_responses=True) as client:
            assert await client.get("job") == "queued"
    finally:
        again.kill()
        await again.wait()


async def test_a_server_that_does_not_run_is_not_ready(server: Valkey):
    assert not await server.ready()
