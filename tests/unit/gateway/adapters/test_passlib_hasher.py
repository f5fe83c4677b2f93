"""Passwords hashed with argon2id, off the event loop."""

import asyncio
import threading
import time

import pytest
from passlib.context import CryptContext

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


async def test_a_password_is_right_in_every_form_a_keyboard_sends():
    hashed = await HASHER.hash("café by the river")
    assert await HASHER.verify("cafe\u0301 by the river", hashed)
    assert await HASHER.verify("\uff43\uff41\uff46é by the river", hashed)


@pytest.mark.parametrize("weaker", [{"time_cost": 1}, {"memory_cost": 8192}, {"parallelism": 2}, {"type": "I"}])
async def test_a_hash_of_other_parameters_is_outdated_and_still_right(weaker: dict[str, object]):
    asked = {"type": "ID", "memory_cost": 19_456, "time_cost": 2, "parallelism": 1} | weaker
    former = CryptContext(schemes=["argon2"], **{f"argon2__{name}": value for name, value in asked.items()})
    hashed = former.hash(PASSWORD)
    assert HASHER.is_outdated(hashed)
    assert await HASHER.verify(PASSWORD, hashed)
    assert not HASHER.is_outdated(await HASHER.hash(PASSWORD))


async def test_of_twenty_logins_at_once_two_are_hashed_while_the_loop_goes_on():
    at_once, most, released = 0, 0, threading.Event()
    counting = threading.Lock()

    class Slow(PasslibHasher):
        def _verify(self, password: str, password_hash: str) -> bool:
            nonlocal at_once, most
            with counting:
                at_once += 1
                most = max(most, at_once)
            released.wait()
            with counting:
                at_once -= 1
            return True

    hasher = Slow()
    logins = [asyncio.create_task(hasher.verify(PASSWORD, "any")) for _ in range(20)]
    # A thread that hashes on the loop would never let it come here.
    await asyncio.sleep(0)
    assert not any(login.done() for login in logins)
    released.set()
    assert all(await asyncio.gather(*logins))
    assert 1 <= most <= 2


async def test_the_event_loop_goes_on_while_passwords_are_hashed():
    hashed = await HASHER.hash(PASSWORD)
    work = asyncio.gather(*(HASHER.verify(PASSWORD, hashed) for _ in range(6)))
    longest_s, began_s = 0.0, time.perf_counter()
    while not work.done():
        before_s = time.perf_counter()
        await asyncio.sleep(0)
        longest_s = max(longest_s, time.perf_counter() - before_s)
    # Six of them one after another on the loop would stall it for all of the time that they take.
    assert longest_s < 0.5 * (time.perf_counter() - began_s)
    assert all(await work)


async def test_when_too_many_wait_the_next_is_told_so():
    waiting = [asyncio.create_task(HASHER.verify_nobody()) for _ in range(80)]
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(outcome, HasherBusy) for outcome in outcomes) == 16
    assert sum(outcome is None for outcome in outcomes) == 64
