"""A client that sends bytes, whatever they are, and reads the answers that come back as strictly as it can."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

# After the last byte: who waits for the rest of a request says nothing, and is not waited for.
IDLE_S = 0.4
ANSWER_LIMIT_S = 40.0
# What an answer may take altogether, so that a stream of events does not hold up everything.
_MOST_ANSWERS = 50


class AnswerBroken(Exception):
    """What came back is no answer in HTTP/1.1 (RFC 9112)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; the body of a stream that does not end is what had come by then."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


async def exchange(port: int, data: bytes) -> list[Answer]:
    """Send bytes on a new connection, and read answers until the server closes or waits.

    Raises
    ------
    AnswerBroken
        If anything else than answers came back.
    OSError
        If the connection was refused.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return _answers(await _read(reader))
    finally:
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    loop = asyncio.get_running_loop()
    end_s = loop.time() + ANSWER_LIMIT_S
    while loop.time() < end_s:
        try:
            # The first answer may take as long as the work behind it; afterwards silence means that it is our turn.
            part = await asyncio.wait_for(reader.read(1 << 16), IDLE_S if received else 4 * IDLE_S)
        except TimeoutError:
            break
        except ConnectionError:
            # Closed with our bytes unread: what came before counts.
            break
        if not part:
            break
        received += part
    return bytes(received)


def _answers(data: bytes) -> list[Answer]:
    found: list[Answer] = []
    while data and len(found) < _MOST_ANSWERS:
        head, separator, data = data.partition(b"\r\n\r\n")
        if not separator:
            raise AnswerBroken(f"an answer's head has no end: {head[:200]!r}")
        line, *lines = head.split(b"\r\n")
        version, _, rest = line.partition(b" ")
        if version != b"HTTP/1.1" or not rest[:3].isdigit():
            raise AnswerBroken(f"not a status line: {line[:200]!r}")
        pairs = [one.partition(b":") for one in lines]
        if any(not colon or not name.strip() for name, colon, _ in pairs):
            raise AnswerBroken(f"not a header: {head[:400]!r}")
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        status = int(rest[:3])
        if headers.get(b"transfer-encoding") == b"chunked":
            body, data = _chunked(data)
        elif status < 200 or status == 204:
            body = b""
        else:
            length = int(headers.get(b"content-length", b"-1"))
            body, data = (data, b"") if length < 0 else _counted(data, length)
        found.append(Answer(status, headers, body))
    return found


def _counted(data: bytes, length: int) -> tuple[bytes, bytes]:
    # The answer to HEAD has the length of a body and none: what follows is the next answer.
    if data.startswith(b"HTTP/1.1 "):
        return b"", data
    return data[:length], data[length:]


def _chunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return body, data[2:]
        body, data = body + data[:length], data[length + 2 :]
    return body, b""
