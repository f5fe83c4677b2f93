"""What a row of a stream costs: the window read from Redis, scored, and written back.

Runs the use case that answers the HTTP call, on a Redis-compatible server on the same machine, one call after the
other. "Redis" is the same reading and writing without scoring between; "score" is the detector alone, with its context
at hand.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.redis_server import redis_server
from services.anomaly.adapters.detector_bundle import read_detector
from services.anomaly.adapters.redis_windows import RedisWindows
from services.anomaly.domain.catalogue import Ready
from services.anomaly.domain.scoring import CallLimits
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.streaming import StreamDesk, StreamInput, StreamRules
from services.anomaly.domain.streaming_state import StreamState
from services.anomaly.domain.workbench import Workbench
from services.anomaly.library import Detector
from shared.clock import SystemClock
from shared.onnx.bundle import open_bundle
from shared.onnx.signing import SigningKey, TrustStore
from shared.redis_client import async_client

_CASES = (("mahalanobis", 8), ("mahalanobis", 52))
_CALLS = 400
_START = datetime(2026, 1, 1, tzinfo=UTC)


class _OneDetector:
    """A catalogue without a database."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready

    def ready(self, _name: str) -> Ready:
        return self._ready


class _Nobody:
    """Counts nothing."""

    def scored(self, detector: str, *, rows: int, anomalous: int, duration_s: float) -> None: ...

    def streamed(self, detector: str, *, rows: int, repeated: int, lag_s: float | None) -> None: ...

    def stream_refused(self, code: str) -> None: ...


def _served(kind: str, rows: np.ndarray[Any, Any]) -> ServedDetector:
    """A detector as a service holds it."""
    with tempfile.TemporaryDirectory() as folder:
        key, trust = SigningKey.load_or_create(Path(folder) / "key.pem"), TrustStore(Path(folder) / "trust")
        trust.enrol(key.public_pem())
        Detector(kind).fit(rows).save(Path(folder) / "bundle", name="bench", key=key)
        return read_detector(open_bundle(Path(folder) / "bundle", trust))


async def _microseconds(call: Callable[[int], Awaitable[object]]) -> float:
    """Median time of one call [µs]."""
    spent = []
    for i in range(_CALLS):
        started = time.perf_counter()
        await call(i)
        spent.append(time.perf_counter() - started)
    return float(np.median(spent)) * 1e6


async def _measure(url: str, kind: str, sensors: int) -> Sequence[float]:
    rows = np.random.default_rng(0).normal(size=(2000, sensors))
    served = _served(kind, rows)
    redis = async_client(url)
    windows = RedisWindows(redis, space="bench", keep_s=600.0, most=10_000)
    catalogue: Any = _OneDetector(Ready(served, served.threshold))
    with ThreadPoolExecutor(1) as pool:
        desk = StreamDesk(
            catalogue,
            Workbench(pool, places=8),
            windows,
            _Nobody(),
            clock=SystemClock(),
            limits=CallLimits(20_000, 200_000),
            rules=StreamRules(off_delay_rows=30, kept_values=500_000, ahead_s=0.0),
        )

        async def push(i: int) -> None:
            given = StreamInput(None, [rows[i].tolist()], [_START + timedelta(seconds=i)])
            await desk.push("bench", given, asset=f"{kind}{sensors}")

        warm_up = served.lookback_rows + 16
        for i in range(warm_up):
            await push(i)
        whole = await _microseconds(lambda i: push(warm_up + i))
    key = f"bench:{kind}{sensors}"
    body = (await windows.read(key)).body or b""

    async def read_and_write(_: int) -> None:
        kept = await windows.read(key)
        await windows.replace(key, kept.token, kept.body or b"", ())

    async def score(i: int) -> None:
        served.detect(rows[i : i + 1], 1.0, rows[i + 1 : i + 1 + served.lookback_rows])

    async def pack(_: int) -> None:
        if (state := StreamState.from_bytes(body)) is not None:
            state.to_bytes()

    parts = [whole, await _microseconds(read_and_write), await _microseconds(score), await _microseconds(pack)]
    await redis.aclose()
    return [*parts, float(len(body))]


def main() -> None:
    """Print a table."""
    print("kind          sensors   call µs   Redis µs   score µs   pack µs   kept bytes")
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as url:
        for kind, sensors in _CASES:
            whole, redis_us, score_us, pack_us, kept = asyncio.run(_measure(url, kind, sensors))
            line = f"{kind:12s} {sensors:8d} {whole:9.0f} {redis_us:10.0f} {score_us:10.0f} {pack_us:9.0f} {kept:12.0f}"
            print(line)


if __name__ == "__main__":
    main()
