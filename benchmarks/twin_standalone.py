"""A twin on its own: one prediction with an interval over HTTP on loopback, beside `Twin.predict` in process."""

import itertools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.http_load import Request, descendants, free_port, measure
from benchmarks.twin_site import feature_names, make_site, row_bodies, rows, server
from services.twin.library import Twin

_CALLS, _WARM_UP = 3_000, 300
_DURATION_S = 5.0


def main() -> None:
    """Print the median and the 99th percentile of each, and how long the start took."""
    with tempfile.TemporaryDirectory() as folder:
        site = make_site(Path(folder))
        times_s = _in_process(Twin.load(site.bundle))
        _show("Twin.predict", *np.quantile(times_s, [0.5, 0.99]).tolist())
        port = free_port()
        command = [sys.executable, "-m", "services.twin.standalone", "--bundle", str(site.bundle), "--port", str(port)]
        begun_s = time.perf_counter()
        with server(command, {}, port) as process:
            print(f"  {'start until it listens':42s} {time.perf_counter() - begun_s:10.2f} s")
            for path in ("/predict", "/api/v1/twin/predict"):
                request = Request(port, path, row_bodies())
                load = measure(request, descendants(process.pid), connections=1, duration_s=_DURATION_S)
                _show(f"POST {path}", load.p50_s, load.p99_s)


def _in_process(twin: Twin) -> list[float]:
    names = feature_names()
    inputs = [dict(zip(names, row, strict=True)) for row in itertools.islice(rows(), _WARM_UP + _CALLS)]
    times_s = []
    for row in inputs:
        started_s = time.perf_counter()
        twin.predict(row)
        times_s.append(time.perf_counter() - started_s)
    return times_s[_WARM_UP:]


def _show(name: str, median_s: float, tail_s: float) -> None:
    print(f"  {name:42s} p50 {median_s * 1e3:8.3f} ms   p99 {tail_s * 1e3:8.3f} ms")
