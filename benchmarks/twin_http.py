"""One prediction over HTTP, CPU time per request: the twin beside the bare application that does nothing else.

Each prediction of the twin has its caller verified, its inputs checked, its applicability judged, and is counted and
logged. CPU time and not wall time is compared, because it hardly changes when others use the machine.
"""

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from benchmarks.http_load import Load, Request, descendants, measure
from benchmarks.redis_server import redis_server
from benchmarks.twin_site import Site, make_site, row_bodies

FLOOR = "bare FastAPI + ONNX Runtime + interval"

_ROUNDS = 5
_ROUND_S = 2.0
_CONNECTIONS = (1, 32)
PREDICT = "/api/v1/twin/predict"


@dataclass(frozen=True, slots=True)
class Way:
    """A server, and what is sent to it."""

    path: str
    port: int
    process: Popen[bytes]
    bodies: Sequence[bytes]


def main() -> None:
    """Print requests per second, CPU time and latency, and the CPU time as a multiple of the floor's."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        site, folder = make_site(Path(name)), Path(name)
        cached = {"FUTAGO_REDIS_URL": stack.enter_context(redis_server(folder))}
        bodies = row_bodies()
        floor = stack.enter_context(site.floor())
        uncached = stack.enter_context(site.twin({"TWIN_CACHE_TTL_S": "0"}))
        silent = stack.enter_context(site.twin({"TWIN_CACHE_TTL_S": "0", "FUTAGO_LOG_LEVEL": "warning"}))
        caching = stack.enter_context(site.twin(cached))
        redis_only = stack.enter_context(site.twin({**cached, "TWIN_CACHE_LRU_ENTRIES": "0"}))
        ways = {
            FLOOR: Way("/predict", *floor, bodies),
            "twin, no cache": Way(PREDICT, *uncached, bodies),
            "twin, no cache, no request log": Way(PREDICT, *silent, bodies),
            "twin, cache on, every row new": Way(PREDICT, *caching, bodies),
            "twin, cache on, rows in its memory": Way(PREDICT, *caching, bodies[:50]),
            "twin, cache on, rows in Redis": Way(PREDICT, *redis_only, bodies[:50]),
        }
        for connections in _CONNECTIONS:
            print(f"  {connections} connection{'s' if connections > 1 else ''}")
            report(take_turns(site, ways, connections), FLOOR)


def take_turns(site: Site, ways: Mapping[str, Way], connections: int) -> dict[str, Load]:
    """Medians over rounds in which every way has its turn."""
    loads: dict[str, list[Load]] = {name: [] for name in ways}
    for _ in range(_ROUNDS):
        for name, way in ways.items():
            request = Request(way.port, way.path, way.bodies, site.headers())
            pids = descendants(way.process.pid)
            loads[name].append(measure(request, pids, connections=connections, duration_s=_ROUND_S))
    return {name: _median(rounds) for name, rounds in loads.items()}


def report(loads: Mapping[str, Load], base: str) -> None:
    """Print one line a way; the last column is its CPU time over the base's."""
    for name, load in loads.items():
        print(
            f"    {name:40s} {load.rate_hz:7.0f}/s {load.cpu_s * 1e6:7.0f} µs CPU "
            f"p50 {load.p50_s * 1e3:6.2f} ms p99 {load.p99_s * 1e3:6.2f} ms {load.cpu_s / loads[base].cpu_s:6.2f} x"
        )


def _median(rounds: Sequence[Load]) -> Load:
    return Load(
        *(statistics.median(getattr(load, name) for load in rounds) for name in ("rate_hz", "cpu_s", "p50_s", "p99_s"))
    )
