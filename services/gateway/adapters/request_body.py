"""The body of a request on its way through, and the caller at the other end of it."""

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Message, Receive

from shared.http.middleware import BodyTooLarge

# Most answers come sooner than this; only then is somebody set to watch whether the caller is still there [s].
_WATCH_AFTER_S = 0.25


class ClientLeft(Exception):
    """The caller closed the connection before it was answered."""


class RequestBody:
    """Counts what comes in, and remembers how it ended.

    Parameters
    ----------
    length
        As declared, in bytes; `None` if the body comes in chunks.

    Raises
    ------
    BodyTooLarge
        If more is declared than the limit allows.
    """

    def __init__(self, receive: Receive, length: int | None, limit_bytes: int) -> None:
        if length is not None and length > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        self.length = length
        self.complete = length == 0
        self.failure: ClientLeft | BodyTooLarge | None = None
        self._receive = receive
        self._limit_bytes = limit_bytes

    async def read(self) -> bytes:
        """All of it at once."""
        return b"".join([chunk async for chunk in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        while not self.complete:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.failure = ClientLeft()
                raise self.failure
            chunk: bytes = message.get("body", b"")
            received += len(chunk)
            if received > self._limit_bytes:
                self.failure = BodyTooLarge(self._limit_bytes)
                raise self.failure
            self.complete = not message.get("more_body", False)
            if chunk:
                yield chunk

    async def wait_for_departure(self) -> None:
        """Return when the caller has left; only once the body is complete."""
        message: Message = {"type": "http.request"}
        while message["type"] != "http.disconnect":
            message = await self._receive()


class CallerWatch:
    """Ends the work inside its block when the caller leaves: nobody waits for the answer any longer."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._watch: asyncio.Task[None] | None = None
        self._left = False

    def __enter__(self) -> None:
        self._timer = self._loop.call_later(_WATCH_AFTER_S, self._start)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if self._left and kind is asyncio.CancelledError and self._task is not None:
            # The cancellation was ours, and ends here: see `asyncio.Task.uncancel`.
            return self._task.uncancel() == 0
        return kind is ClientLeft

    def _start(self) -> None:
        if self._body.complete:
            self._watch = self._loop.create_task(self._cancel_on_departure())
        else:
            # While the body is being read, its reader sees the caller leave.
            self._timer = self._loop.call_later(_WATCH_AFTER_S, self._start)

    async def _cancel_on_departure(self) -> None:
        await self._body.wait_for_departure()
        self._left = True
        if self._task is not None:
            self._task.cancel()
