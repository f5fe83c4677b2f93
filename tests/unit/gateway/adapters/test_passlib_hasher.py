"""Passwords hashed with argon2id, off the event loop."""

import asyncio
import time

import pytest

from services.gateway.adapters.passlib_hasher import PasslibHasher
from services.gateway.domain.errors import HasherBusy

HASHER = PasslibHasher()
PASSWORD = "a long walk by the river"


async def test_a_hash_is_argon2id_with_the_parameters_asked_for_and_its_own_salt():
    first, second = await HASHER.hash(PASSWORD), await HASHER.hash(PASSWORD)
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second


@pytest.mark.parametrize("tried", ["", "A long walk by the river", PASSWORD + "\0", PASSWORD + " ", "é" * 500])
async def test_only_the_password_itself_is_right(tried: str):
    hashed = await HASHER.hash(PASSWORD)
    assert await HASHER.verify(PASSWORD, hashed)
    assert not await HASHER.verify(tried, hashed)


async def test_the_event_loop_goes_on_while_passwords_are_hashed():
    hashed = await HASHER.hash(PASSWORD)
    work = asyncio.gather(*(HASHER.verify(PASSWORD, hashed) for _ in range(6)))
    longest_s = 0.0
    while not work.done():
        before_s = time.perf_counter()
        await asyncio.sleep(0)
        longest_s = max(longest_s, time.perf_counter() - before_s)
    # Six of them one after another on the loop would stall it for at least 120 ms.
    assert longest_s < 0.1
    assert all(await work)


async def test_when_too_many_wait_the_next_is_told_so():
    waiting = [asyncio.create_task(HASHER.verify_nobody()) for _ in range(80)]
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(outcome, HasherBusy) for outcome in outcomes) == 16
    assert sum(outcome is None for outcome in outcomes) == 64
