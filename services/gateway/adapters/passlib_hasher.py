"""Password hashes by passlib: argon2id, off the event loop, two at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from passlib.context import CryptContext

from services.gateway.domain.errors import HasherBusy
from services.gateway.domain.passwords import normalised

# OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane; 38 to 84 ms on two shared cores.
_MEMORY_KIB, _PASSES, _LANES = 19_456, 2, 1
# More at once would only take the processor from those who have work to do, and 19 MiB each.
_AT_ONCE = 2
# About three seconds of work: whoever comes later is told so, rather than left to wait.
_MAX_INSIDE = 64

T = TypeVar("T")


class PasslibHasher:
    """Implements `proofs.HashMaker`."""

    def __init__(self) -> None:
        self._context = CryptContext(
            schemes=["argon2"],
            argon2__type="ID",
            argon2__memory_cost=_MEMORY_KIB,
            argon2__time_cost=_PASSES,
            argon2__parallelism=_LANES,
        )
        # Threads of its own: the C library keeps the 19 MiB of a hash for each thread that ever made one, and of the
        # threads that everybody shares all would have made one in the end.
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="password-hash")
        # The first call makes the hash that the others verify: left to the first stranger, it would take twice as long.
        self._threads.submit(self._context.dummy_verify).result()
        self._inside = 0

    async def hash(self, password: str) -> str:
        return await self._in_turn(partial(self.hash_now, password))

    async def verify(self, password: str, password_hash: str) -> bool:
        return await self._in_turn(partial(self._verify, password, password_hash))

    async def verify_nobody(self) -> None:
        await self._in_turn(self._context.dummy_verify)

    def is_outdated(self, password_hash: str) -> bool:
        return bool(self._context.needs_update(password_hash))

    def hash_now(self, password: str) -> str:
        """Hash in the calling thread, for commands that serve nobody else."""
        return str(self._context.hash(normalised(password)))

    def _verify(self, password: str, password_hash: str) -> bool:
        return bool(self._context.verify(normalised(password), password_hash))

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._inside >= _MAX_INSIDE:
            raise HasherBusy
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._inside -= 1
