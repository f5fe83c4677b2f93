"""Passwords hashed with argon2id, off the event loop."""

import asyncio
import threading
import time

import pytest
from anyio import to_thread
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
    released = threading.Event()

    class Slow(PasslibHasher):
        def _verify(self, password: str, password_hash: str) -> bool:
            return released.wait()

    hasher = Slow()
    waiting = [asyncio.create_task(hasher.verify(PASSWORD, "any")) for _ in range(80)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # Told at once, while nobody's turn has ended.
    assert sum(login.done() for login in waiting) == 16
    released.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(outcome, HasherBusy) for outcome in outcomes) == 16
    assert sum(outcome is True for outcome in outcomes) == 64


async def test_passwords_are_hashed_in_two_threads_however_many_others_there_are():
    # Each thread that ever hashed keeps 19 MiB: of the shared ones, which come and go, that were all in the end.
    class Seen(PasslibHasher):
        def _verify(self, password: str, password_hash: str) -> bool:
            threads.add(threading.get_ident())
            return True

    threads: set[int] = set()
    hasher, busy = Seen(), threading.Event()
    for crowd in (6, 12, 18):
        # More each time than there are threads: whichever hashed before is busy now.
        others = [asyncio.create_task(to_thread.run_sync(busy.wait)) for _ in range(crowd)]
        await asyncio.sleep(0)
        await asyncio.gather(*(hasher.verify(PASSWORD, "any") for _ in range(4)))
        busy.set()
        await asyncio.gather(*others)
        busy.clear()
    assert 1 <= len(threads) <= 2
