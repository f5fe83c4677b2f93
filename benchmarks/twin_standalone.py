"""A twin on its own: one prediction with an interval over HTTP on loopback, beside `Twin.predict` in process."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from futago.plant import yield_dataset
from services.twin.library import Twin, package

_CALLS, _WARM_UP = 3_000, 300
_STARTED_WITHIN_S = 20.0


def main() -> None:
    """Print the median and the 99th percentile of each, and how long the start took."""
    data = yield_dataset(2_000, seed=0)
    forest = RandomForestRegressor(n_estimators=10, max_depth=5, random_state=0).fit(data.rows, data.target)
    row = {name: float(value) for name, value in zip(data.columns, data.rows[0], strict=True)}
    features = [{"name": name} for name in data.columns]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FUTAGO_HOME"] = folder  # a signing key of its own
        bundle = package(
            forest, data.rows, data.target,
            name="yield", version="1", features=features, target={"name": "yield"}, out=Path(folder) / "bundle",
        )  # fmt: skip
        twin = Twin.load(bundle)
        _show("Twin.predict", _times_s(lambda: twin.predict(row)))
        with _standalone(bundle) as port, socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for path in ("/predict", "/api/v1/twin/predict"):
                request = _request(path, json.dumps(row).encode())
                _show(f"POST {path}", _times_s(lambda request=request: _ask(connection, request)))  # type: ignore[misc]


@contextmanager
def _standalone(bundle: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "services.twin.standalone", "--bundle", str(bundle), "--port", str(port)]
    begun_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    # A client and a server on one core would take turns, which no box in a plant makes them do.
    _spread(process.pid)
    try:
        while not _listens(port):
            if process.poll() is not None or time.perf_counter() - begun_s > _STARTED_WITHIN_S:
                raise RuntimeError("the twin did not start")
            time.sleep(0.005)
        print(f"  {'start until it listens':42s} {time.perf_counter() - begun_s:10.2f} s")
        yield port
    finally:
        process.terminate()
        process.wait()


def _spread(pid: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, range(os.cpu_count() or 1))


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def _request(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _ask(connection: socket.socket, request: bytes) -> None:
    """Send a request and take the whole answer."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65_536)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(answer.decode())
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0].partition(b":")[2]) - len(body)
    while missing > 0:
        missing -= len(connection.recv(65_536))


def _times_s(call: Callable[[], object]) -> list[float]:
    times_s = []
    for _ in range(_WARM_UP + _CALLS):
        started_s = time.perf_counter()
        call()
        times_s.append(time.perf_counter() - started_s)
    return times_s[_WARM_UP:]


def _show(name: str, times_s: list[float]) -> None:
    median, tail = np.quantile(times_s, [0.5, 0.99]) * 1e3
    print(f"  {name:42s} p50 {median:8.3f} ms   p99 {tail:8.3f} ms")


if __name__ == "__main__":
    main()
