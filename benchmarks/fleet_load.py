"""A fleet on a running suite: what each kind of call costs every process, and whether the sum predicts a mixed minute.

Starts a suite of its own (`futago up`: one process each, SQLite, the embedded server), lets simulated assets make calls
at a steady rate, one kind after the other, and reads the processor time of every process, the memory that Redis uses
and the rows that tables gain. From these costs `benchmarks.sizing` predicts a minute of all kinds mixed at other rates;
the last table sets that beside what was used. Others who use the machine make it slower, and hardly change these times.
"""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import redis

from benchmarks.http_load import cpu_s, free_port
from benchmarks.process_memory import memory_mb
from benchmarks.sizing import Call, Costs, Fleet, as_text, cores, need
from futago.credentials import Credentials
from futago.launcher.demo_models import DETECTOR
from futago.launcher.home import Home
from futago.launcher.processes import DEMO_MODEL
from futago.launcher.state import State
from futago.launcher.supervised import Phase
from futago.launcher.valkey import Valkey
from futago.plant import Plant, yield_dataset

_ASSETS = int(os.environ.get("FLEET_BENCH_ASSETS", "200"))
_PHASE_S = float(os.environ.get("FLEET_BENCH_PHASE_S", "20"))
# A home that has been used before, whose planner need not compile its search again.
_HOME = os.environ.get("FLEET_BENCH_HOME")
_RATE_HZ = {"predict": 50.0, "stream of 6 rows": 30.0, "observe": 20.0}
_MIXED_HZ = {"predict": 25.0, "stream of 6 rows": 25.0, "observe": 5.0}
_MIXED_S = 60.0
_STREAM_ROWS = 6
# What is written behind the requests is waited for.
_SETTLE_S = 3.0
_START_S = 900.0
_SETTINGS = {"GATEWAY_MAX_REQUESTS_PER_HOUR": "36000000", "GATEWAY_BURST_REQUESTS": "100000"}
# Every asset of every plant: a prediction a minute, a minute's readings at a time, a laboratory value an hour.
_EXAMPLE = Fleet(100, 200, {"predict": 1 / 60, "stream of 6 rows": 1 / 60, "observe": 1 / 3600})

Make = Callable[[int], tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that grows, at one moment."""

    at_s: float
    cpu_s: Mapping[str, float]
    rows: int
    bytes: float
    redis_bytes: int


class Suite:
    """A suite that runs, and the fleet's way in."""

    def __init__(self, home: Home) -> None:
        self._home = home
        state = State.read(home.state)
        self.credentials, processes = replace(Credentials.read(home.credentials), url=state.url), state.processes
        self.pids = {each.name: each.pid for each in processes if each.pid is not None}
        server = Valkey.configured(home.valkey)
        if server is None:
            raise RuntimeError("the suite does not run on the embedded server")
        self._redis = redis.Redis.from_url(server.url)

    def read(self) -> Reading:
        """Look at processes, tables and Redis."""
        used: Any = self._redis.info("memory")
        with sqlite3.connect(f"file:{self._home.database}?mode=ro", uri=True) as connection:
            tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
            # The names come from the database itself.
            rows = sum(connection.execute(f'select count(*) from "{name}"').fetchone()[0] for name in tables)  # noqa: S608
            pages, free, size = (
                connection.execute(f"pragma {what}").fetchone()[0]
                for what in ("page_count", "freelist_count", "page_size")
            )
        cpu = {name: cpu_s([pid]) for name, pid in self.pids.items()}
        return Reading(time.monotonic(), cpu, rows, (pages - free) * size, used["used_memory"])

    def memory_bytes(self) -> dict[str, float]:
        """Resident memory of each process."""
        return {name: memory_mb(pid, "VmRSS") * 1e6 for name, pid in self.pids.items()}


def main() -> None:
    """Print costs, the comparison, and a sized example."""
    with tempfile.TemporaryDirectory() as name, _suite(Home(Path(_HOME or f"{name}/home"))) as home:
        suite = Suite(home)
        makes = _makes()
        # Each asset and each kind once: connections, caches and streams are there afterwards.
        empty = suite.read().redis_bytes
        for make in makes.values():
            asyncio.run(_send(suite.credentials, {"": (make, 50.0)}, _ASSETS / 50.0))
        time.sleep(_SETTLE_S)
        stream_bytes = (suite.read().redis_bytes - empty) / _ASSETS
        idle = _used(suite, lambda: time.sleep(_PHASE_S))[1]
        calls = {kind: _cost(suite, make, _RATE_HZ[kind], idle) for kind, make in makes.items()}
        costs = Costs(calls, idle, suite.memory_bytes(), stream_bytes)
        _print_costs(costs)
        plan = {kind: (make, _MIXED_HZ[kind]) for kind, make in makes.items()}
        sent, used = _used(suite, lambda: asyncio.run(_send(suite.credentials, plan, _MIXED_S)))
        rates_hz = {kind: count / (_MIXED_S + _SETTLE_S) for kind, count in (sent or {}).items()}
        _print_comparison(cores(rates_hz, costs), used)
        print(as_text(_EXAMPLE, need(_EXAMPLE, costs)))


def _cost(suite: Suite, make: Make, rate_hz: float, idle: Mapping[str, float]) -> Call:
    """What one call adds to what an idle suite uses."""
    before = suite.read()
    sent = asyncio.run(_send(suite.credentials, {"": (make, rate_hz)}, _PHASE_S))[""]
    time.sleep(_SETTLE_S)
    after = suite.read()
    seconds = after.at_s - before.at_s
    cpu = {name: max(0.0, after.cpu_s[name] - before.cpu_s[name] - idle[name] * seconds) / sent for name in idle}
    return Call(cpu, (after.rows - before.rows) / sent, (after.bytes - before.bytes) / sent)


def _used(suite: Suite, work: Callable[[], dict[str, int] | None]) -> tuple[dict[str, int] | None, dict[str, float]]:
    """What the work returned, and the cores that were used meanwhile."""
    before = suite.read()
    made = work()
    time.sleep(_SETTLE_S)
    after = suite.read()
    seconds = after.at_s - before.at_s
    return made, {name: (after.cpu_s[name] - before.cpu_s[name]) / seconds for name in suite.pids}


async def _send(caller: Credentials, plan: Mapping[str, tuple[Make, float]], seconds: float) -> dict[str, int]:
    """Make calls of each kind at a steady rate; returns how many of each were answered."""
    sent = dict.fromkeys(plan, 0)
    headers = {"X-API-Key": caller.api_key or "", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(caller.url, headers=headers) as session:

        async def one(kind: str, make: Make, number: int) -> None:
            path, body = make(number)
            async with session.post(path, data=body) as answer:
                if answer.status >= 400:
                    raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")
                await answer.read()
            sent[kind] += 1

        async def steadily(kind: str, make: Make, rate_hz: float, tasks: asyncio.TaskGroup) -> None:
            started_s = time.monotonic()
            for number in range(round(seconds * rate_hz)):
                await asyncio.sleep(max(0.0, started_s + number / rate_hz - time.monotonic()))
                tasks.create_task(one(kind, make, number))

        async with asyncio.TaskGroup() as tasks:
            for kind, (make, rate_hz) in plan.items():
                tasks.create_task(steadily(kind, make, rate_hz, tasks))
    return sent


def _makes() -> dict[str, Make]:
    """How the body of each kind of call is made: another asset each time, another row, a later minute."""
    data = yield_dataset(5_000, seed=3)
    readings = [dict(zip(data.columns, row, strict=True)) for row in data.rows.tolist()]
    sensors = Plant(3).run(hours=1.0, sample_s=5.0).rows.tolist()
    start = datetime.now(UTC) - timedelta(days=1)
    made = {"stream": 0, "observe": 0}

    def predict(number: int) -> tuple[str, bytes]:
        path = f"/api/v1/twin/predict?model={DEMO_MODEL}&asset=asset{number % _ASSETS}"
        return path, json.dumps(readings[number % len(readings)]).encode()

    def stream(number: int) -> tuple[str, bytes]:
        made["stream"] += _STREAM_ROWS
        times = [(start + timedelta(seconds=made["stream"] + row)).isoformat() for row in range(_STREAM_ROWS)]
        first = number * _STREAM_ROWS % (len(sensors) - _STREAM_ROWS)
        body = {"rows": sensors[first : first + _STREAM_ROWS], "timestamps": times}
        return f"/api/v1/anomaly/detectors/{DETECTOR}/stream/asset{number % _ASSETS}", json.dumps(body).encode()

    def observe(number: int) -> tuple[str, bytes]:
        made["observe"] += 1
        place = number % len(readings)
        body = {
            "model": DEMO_MODEL, "asset": f"asset{number % _ASSETS}", "inputs": readings[place],
            "actual": float(data.target[place]), "timestamp": (start + timedelta(seconds=made["observe"])).isoformat(),
        }  # fmt: skip
        return "/api/v1/twin/observations", json.dumps(body).encode()

    return {"predict": predict, "stream of 6 rows": stream, "observe": observe}


def _print_costs(costs: Costs) -> None:
    names = list(costs.idle_cores)
    print(
        f"  {'processor time [µs]':22s}" + "".join(f"{name:>15s}" for name in names) + f"{'SQL rows':>10s}{'bytes':>8s}"
    )
    for kind, call in costs.calls.items():
        times = "".join(f"{call.cpu_s[name] * 1e6:15.0f}" for name in names)
        print(f"  {kind:22s}{times}{call.sql_rows:10.2f}{call.sql_bytes:8.0f}")
    print(f"  {'idle [cores]':22s}" + "".join(f"{costs.idle_cores[name]:15.3f}" for name in names))
    print(f"  {'memory [MB]':22s}" + "".join(f"{costs.memory_bytes[name] / 1e6:15.0f}" for name in names))
    print(f"  Redis keeps {costs.redis_bytes_per_stream / 1e3:.1f} kB for an asset that streams")


def _print_comparison(predicted: Mapping[str, float], used: Mapping[str, float]) -> None:
    rates = ", ".join(f"{rate_hz:g} {kind}" for kind, rate_hz in _MIXED_HZ.items())
    print(f"  a mixed minute, a second: {rates}; cores predicted and used")
    for name, share in predicted.items():
        print(f"    {name:16s} {share:6.3f} {used[name]:6.3f}   {used[name] / share if share else 1.0:5.2f} x")
    total, all_used = sum(predicted.values()), sum(used.values())
    print(f"    {'together':16s} {total:6.3f} {all_used:6.3f}   {all_used / total:5.2f} x")


@contextmanager
def _suite(home: Home) -> Iterator[Home]:
    home.root.mkdir(exist_ok=True)
    environment = {**os.environ, **_SETTINGS, "FUTAGO_HOME": str(home.root), "FUTAGO_PORT": str(free_port())}
    command = [sys.executable, "-m", "futago", "up"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            deadline_s = time.monotonic() + _START_S
            while not _is_ready(home, process.pid):
                if time.monotonic() > deadline_s or process.poll() is not None:
                    raise RuntimeError("the suite did not start")
                time.sleep(1.0)
            yield home
        finally:
            process.terminate()


def _is_ready(home: Home, supervisor_pid: int) -> bool:
    if not (home.demo_marker.exists() and home.state.exists()):
        return False
    state = State.read(home.state)
    # What a supervisor has not started yet, it does not name.
    begun = state.supervisor_pid == supervisor_pid and "gateway" in {each.name for each in state.processes}
    return begun and all(each.phase is Phase.READY for each in state.processes)


if __name__ == "__main__":
    main()
