"""One forwarded request, CPU time: the gateway beside nginx, and beside a gateway as it is commonly written.

Ours verifies a token, compares floors, counts limits, signs who calls, and keeps metrics, a request log and an audit
trail; nginx passes on what comes (Debian packages `nginx-light`, and `wrk` for the load; without them the comparison
is left out). All stand in front of the same service, on the last core, and take turns; the client and the service are
on the first. CPU time is that of each gateway and all its processes; that of Redis is told apart.
"""

import os
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from benchmarks.gateway_site import Gateway, certificate, nginx, ours, service, stock
from benchmarks.http_load import cpu_s, descendants
from benchmarks.redis_server import redis_server

_ANCHOR = "nginx proxy_pass"
# As its manual begins, with a connection to the service for each request; and with connections that are kept.
_PLAIN = "proxy_pass http://service;"
_POOLED = 'proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";'
_PATH = "/api/v1/twin/status"
_ROUNDS = 5
_ROUND_S = int(os.environ.get("GATEWAY_BENCH_ROUND_S", "3"))
_CONNECTIONS = (1, 32)
_REQUESTS = re.compile(r"(\d+) requests in")


def main() -> None:
    """Print requests per second and CPU time of each, and the ratios of the rounds' medians."""
    if shutil.which("wrk") is None:
        print("  left out: the load comes from wrk (apt-get install wrk)")
        return
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        redis_url = stack.enter_context(redis_server(folder))
        upstream = stack.enter_context(service())
        tls = certificate(folder / "authority")
        fronts: dict[str, AbstractContextManager[Gateway | None]] = {
            _ANCHOR: nginx(folder, upstream, location=_PLAIN),
            "nginx, pooled": nginx(folder, upstream, location=_POOLED),
            "nginx, TLS": nginx(folder, upstream, location=_PLAIN, tls=tls),
            "gateway": ours(folder, upstream, redis_url),
            "gateway, TLS": ours(folder, upstream, redis_url, tls=tls),
            "FastAPI + httpx": stock(upstream, redis_url),
        }
        started = {name: stack.enter_context(front) for name, front in fronts.items()}
        gateways = {name: gateway for name, gateway in started.items() if gateway is not None}
        if _ANCHOR not in gateways:
            print("  without nginx (apt-get install nginx-light): its CPU time is what the others are measured by")
        redis_pids = _listening(redis_url)
        for connections in _CONNECTIONS:
            print(f"  {connections} connection{'s' if connections > 1 else ''}")
            _compare(gateways, redis_pids, connections)


def _compare(gateways: Mapping[str, Gateway], redis_pids: list[int], connections: int) -> None:
    rounds: dict[str, list[tuple[float, float, float]]] = {name: [] for name in gateways}
    for gateway in gateways.values():
        _load(gateway, redis_pids, connections, duration_s=1)
    for _ in range(_ROUNDS):
        for name, gateway in gateways.items():
            rounds[name].append(_load(gateway, redis_pids, connections, duration_s=_ROUND_S))
    medians = {
        name: tuple(statistics.median(column) for column in zip(*measured, strict=True))
        for name, measured in rounds.items()
    }
    for name, (rate_hz, used_s, redis_s) in medians.items():
        line = f"    {name:18s} {rate_hz:7.0f}/s {used_s * 1e6:7.1f} µs CPU, Redis {redis_s * 1e6:5.1f} µs"
        if _ANCHOR in medians:
            line += f" {used_s / medians[_ANCHOR][1]:7.1f} x nginx"
        print(line)


def _load(gateway: Gateway, redis_pids: list[int], connections: int, *, duration_s: int) -> tuple[float, float, float]:
    """Requests per second [1/s], CPU time of the gateway and of Redis per request [s]."""
    pids = descendants(gateway.process.pid)
    headers = [part for name, value in gateway.headers.items() for part in ("-H", f"{name}: {value}")]
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{duration_s}s",
        *headers,
        f"{gateway.url}{_PATH}",
    ]
    before_s, redis_before_s = cpu_s(pids), cpu_s(redis_pids)
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    os.sched_setaffinity(client.pid, {0})
    said, _ = client.communicate()
    used_s, redis_s = cpu_s(pids) - before_s, cpu_s(redis_pids) - redis_before_s
    found = _REQUESTS.search(said)
    if found is None or "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    requests = int(found[1])
    return requests / duration_s, used_s / requests, redis_s / requests


def _listening(url: str) -> list[int]:
    """The processes among our own that name the port of a URL in their title."""
    port = url.rpartition(":")[2].partition("/")[0].encode()
    return [pid for pid in descendants(os.getpid()) if port in Path(f"/proc/{pid}/cmdline").read_bytes()]


if __name__ == "__main__":
    main()
