"""A connection that sends what is written to it within one turn of the event loop in one piece.

A server writes the head of an answer, and then its body; each by itself is a system call and a packet on the network.
"""

import asyncio
from typing import Any

# What is worth a system call of its own; more is not kept waiting.
_PIECE_BYTES = 64 * 1024
_CLOSED = "the handler is closed"


class CorkedTransport(asyncio.Transport):
    """Holds what is written until the turn ends, or until it is a good piece.

    Parameters
    ----------
    transport
        The connection as the event loop made it.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport, self._loop = transport, loop
        self._held: list[bytes | bytearray | memoryview] = []
        self._held_bytes = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not data:
            return
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= _PIECE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what is held."""
        held, self._held, self._held_bytes = self._held, [], 0
        if not held or self._transport.is_closing():
            return
        try:
            self._transport.writelines(held)
        except RuntimeError as error:
            # What uvloop says of a connection that the client has reset, until the protocol is told of it too.
            if _CLOSED not in str(error):
                raise

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        self._held.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()
