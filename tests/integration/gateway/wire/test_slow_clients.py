"""Clients that take their time, on purpose or not, against the gateway's own process."""

import contextlib
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx

from shared.http.wire_limits import WireLimits
from tests.integration.gateway.wire.conftest import LIMITS
from tests.integration.gateway.wire.gateway_process import GatewayProcess
from tests.integration.gateway.wire.recorder import Recorder

HEAD_TIMEOUT_S = float(LIMITS["GATEWAY_HEAD_TIMEOUT_S"])
STALL_TIMEOUT_S = float(LIMITS["GATEWAY_STALL_TIMEOUT_S"])
# The look at all connections comes once a second, and the machine may be busy.
MARGIN_S = 6.0
LINGER_S = WireLimits().linger_s
CROWD = 500


@contextmanager
def crowd(gateway: GatewayProcess, first: bytes) -> Iterator[list[socket.socket]]:
    """Many connections, on each of which a little was said."""
    with ExitStack() as held:
        connections = [held.enter_context(gateway.connect()) for _ in range(CROWD)]
        for connection in connections:
            connection.sendall(first)
        yield connections


def test_five_hundred_that_never_finish_their_request_are_closed_and_cost_nobody_else_anything(
    gateway: GatewayProcess,
):
    memory_mib = gateway.memory_mib()
    with (
        crowd(gateway, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ") as connections,
        httpx.Client(base_url=gateway.url, trust_env=False) as healthy,
    ):
        end_s = time.monotonic() + HEAD_TIMEOUT_S + MARGIN_S
        waiting, answered = connections, 0
        while waiting and time.monotonic() < end_s:
            assert healthy.get("/healthz").status_code == 200
            answered += 1
            waiting = [each for each in waiting if not _heard(each)[1]]
            for each in waiting:
                _say(each, b"a")
            time.sleep(0.2)
        assert waiting == []
        assert answered > 3
    assert gateway.memory_mib() - memory_mib < 40


def _say(connection: socket.socket, words: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(words)


PREDICT = b"POST /api/v1/twin/predict HTTP/1.1\r\nHost: x\r\n"
SLOW = {
    "says nothing": (b"", b"", b""),
    "has been answered and says nothing more": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"", b"200"),
    "sends its head drop by drop": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", b"a", b"408"),
    "sends its body drop by drop": (PREDICT + b"KEY" + b"Content-Length: 100000\r\n\r\n", b"a", b"408"),
    "sends small chunks": (PREDICT + b"KEY" + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", b"408"),
    "goes on sending after it was refused": (PREDICT + b"Content-Length: 100000\r\n\r\n", b"a", b"401"),
}


def test_whoever_takes_too_long_is_told_so_and_closed(gateway: GatewayProcess, recorder: Recorder):
    """All at once, as each takes seconds."""
    with ExitStack() as held:
        waiting = {name: held.enter_context(gateway.connect()) for name in SLOW}
        answers = dict.fromkeys(SLOW, b"")
        for name, connection in waiting.items():
            connection.sendall(SLOW[name][0].replace(b"KEY", gateway.key_line))
        end_s = time.monotonic() + LINGER_S + MARGIN_S
        while waiting and time.monotonic() < end_s:
            for name, connection in list(waiting.items()):
                _say(connection, SLOW[name][1])
                said, ended = _heard(connection)
                answers[name] += said
                if ended:
                    del waiting[name]
            time.sleep(0.1)
    assert waiting == {}
    for name, (_, _, status) in SLOW.items():
        assert answers[name][9:12] == status, name
        assert answers[name].count(b"HTTP/1.1 ") == (1 if status else 0), name
    assert [each for each in recorder.asked() if each.body] == []


def _heard(connection: socket.socket) -> tuple[bytes, bool]:
    """What has come since, and whether the gateway has closed."""
    connection.setblocking(False)
    try:
        said = connection.recv(65536)
    except BlockingIOError:
        return b"", False
    except ConnectionResetError:
        return b"", True
    return said, not said


def test_who_does_not_read_the_answer_is_cut_off(gateway: GatewayProcess):
    """The answer is 64 MiB, far more than the buffers of both ends hold."""
    with gateway.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(
            b"GET /api/v1/anomaly/detectors/a/report HTTP/1.1\r\nHost: x\r\n" + gateway.key_line + b"\r\n"
        )
        assert connection.recv(12) == b"HTTP/1.1 200"
        cut_off = select.poll()
        cut_off.register(connection, select.POLLHUP | select.POLLERR)
        assert cut_off.poll((STALL_TIMEOUT_S + MARGIN_S) * 1000)


def test_an_answer_that_is_read_slowly_but_steadily_arrives_whole(gateway: GatewayProcess):
    with gateway.connect() as connection:
        connection.sendall(
            b"GET /api/v1/anomaly/detectors/a/report HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            + gateway.key_line
            + b"\r\n"
        )
        received, pause_until_s = 0, time.monotonic() + STALL_TIMEOUT_S + 1
        while chunk := connection.recv(256 * 1024):
            received += len(chunk)
            if time.monotonic() < pause_until_s:
                time.sleep(0.05)
    assert received > 64 * 1024**2
