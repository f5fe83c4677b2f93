"""Requests as fast as a server answers them, from another core: latency, throughput and the server's own CPU time.

The client is plain sockets with a fixed request: it costs little, so that the server is what is measured.
"""

import itertools
import multiprocessing
import multiprocessing.connection
import os
import selectors
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_READ_BYTES = 1 << 16
_ANSWER_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """A POST of JSON, sent over and over with one body after the other."""

    port: int
    path: str
    bodies: Sequence[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> list[bytes]:
        """The bytes on the wire for each body (HTTP/1.1 with keep-alive)."""
        headers = {"Host": f"127.0.0.1:{self.port}", "Content-Type": "application/json", **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {self.path} HTTP/1.1\r\n{lines}"
        return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in self.bodies]


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured.

    Parameters
    ----------
    cpu_s
        CPU time of the server's processes per request [s].
    p50_s, p99_s
        Latency as the client sees it [s].
    """

    rate_hz: float
    cpu_s: float
    p50_s: float
    p99_s: float


def measure(request: Request, pids: Sequence[int], *, connections: int, duration_s: float) -> Load:
    """Send requests for a while and measure the server whose processes these are.

    Raises
    ------
    RuntimeError
        If an answer is not 200.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    client = context.Process(target=_client, args=(theirs, request, connections, duration_s))
    client.start()
    ours.recv()
    before_s = cpu_s(pids)
    ours.send("go")
    latencies, error = ours.recv()
    used_s = cpu_s(pids) - before_s
    client.join()
    if error:
        raise RuntimeError(error)
    ordered = sorted(latencies)
    return Load(
        rate_hz=len(ordered) / duration_s,
        cpu_s=used_s / len(ordered),
        p50_s=statistics.median(ordered),
        p99_s=ordered[int(0.99 * len(ordered))],
    )


def cpu_s(pids: Sequence[int]) -> float:
    """CPU time that these processes have used so far, in user and system mode [s]."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _CLOCK_TICKS


def descendants(pid: int) -> list[int]:
    """The process and all that it started (Linux)."""
    children = [
        child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return [pid, *(p for child in children for p in descendants(int(child)))]


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_open(port: int, process: subprocess.Popen[bytes], *, timeout_s: float = 60.0) -> None:
    """Wait until a server listens.

    Raises
    ------
    RuntimeError
        If it ends or does not listen in time.
    """
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"nothing listens on port {port}")


def _client(pipe: multiprocessing.connection.Connection, request: Request, connections: int, duration_s: float) -> None:
    os.sched_setaffinity(0, {0})  # the servers are on the last core
    try:
        with selectors.DefaultSelector() as selector:
            sockets = [_connect(request.port) for _ in range(connections)]
            payloads = itertools.cycle(request.encode())
            # One answered request a connection before the clock starts.
            for sock in sockets:
                sock.sendall(next(payloads))
                _read_answer(sock)
            pipe.send("ready")
            pipe.recv()
            pipe.send((_run(selector, sockets, payloads, duration_s), None))
    except (OSError, RuntimeError) as error:
        pipe.send(([], f"{type(error).__name__}: {error}"))


def _run(
    selector: selectors.BaseSelector, sockets: Sequence[socket.socket], payloads: Iterator[bytes], duration_s: float
) -> list[float]:
    sent_s: list[float] = []
    latencies: list[float] = []
    for number, sock in enumerate(sockets):
        selector.register(sock, selectors.EVENT_READ, number)
        sent_s.append(time.perf_counter())
        sock.sendall(next(payloads))
    end_s = time.perf_counter() + duration_s
    while time.perf_counter() < end_s:
        for key, _ in selector.select(_ANSWER_WITHIN_S):
            number: int = key.data
            _read_answer(sockets[number])
            now_s = time.perf_counter()
            latencies.append(now_s - sent_s[number])
            sent_s[number] = now_s
            sockets[number].sendall(next(payloads))
    return latencies


def _connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_WITHIN_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _read_answer(sock: socket.socket) -> None:
    """Read exactly one answer, by its Content-Length or its last chunk."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(f"the server answered {head.splitlines()[0]!r} {body[:300]!r}")
    lowered = head.lower()
    if b"content-length:" in lowered:
        length = int(lowered.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += _receive(sock)
    else:
        while not body.endswith(b"0\r\n\r\n"):
            body += _receive(sock)


def _receive(sock: socket.socket) -> bytes:
    data = sock.recv(_READ_BYTES)
    if not data:
        raise RuntimeError("the server closed the connection")
    return data
