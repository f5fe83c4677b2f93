"""A thousand published models of which fifty are hot: memory follows the setting, not the registry."""

import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import httpx
from sklearn.ensemble import RandomForestRegressor

from benchmarks.process_memory import memory_mb
from benchmarks.twin_site import Site, make_site, row_bodies
from futago.plant import yield_dataset
from services.twin.library import package
from shared.onnx.archive import pack
from shared.onnx.bundle import Bundle, open_bundle, write_bundle
from shared.onnx.settings import KeySettings

_MODELS = 1_000
_HOT = 50
_HOT_ROUNDS = 40
_LIMITS = (64, 256, _MODELS)


def main() -> None:
    """Publish, use every model once, then the hot ones again and again; print memory and latency for each setting."""
    with tempfile.TemporaryDirectory() as name:
        site = make_site(Path(name))
        names = [f"model{number:04d}" for number in range(_MODELS)]
        with site.twin({}) as (port, _), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            template = _template(site)
            started_s = time.perf_counter()
            for model in names:
                _publish(client, site, template, model)
            print(f"  published {_MODELS} bundles of {template.size_bytes / 1e3:.0f} kB "
                  f"in {time.perf_counter() - started_s:.0f} s")  # fmt: skip
        for limit in _LIMITS:
            with site.twin({"TWIN_LOADED_MODELS_LIMIT": str(limit)}) as (port, process):
                before_mb = memory_mb(process.pid, "VmRSS")
                with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                    cold = _call(client, site, names)
                    hot = _call(client, site, names[:_HOT] * _HOT_ROUNDS)
                more_mb, peak_mb = (memory_mb(process.pid, field) - before_mb for field in ("VmRSS", "VmHWM"))
            print(f"  at most {limit:5d} loaded: {more_mb:6.0f} MB more than at the start ({peak_mb:.0f} at the peak); "
                  f"median call {statistics.median(cold) * 1e3:6.2f} ms over all models, "
                  f"{statistics.median(hot) * 1e3:5.2f} ms over the {_HOT} hot ones")  # fmt: skip


def _template(site: Site) -> Bundle:
    data = yield_dataset(2_000, seed=0)
    forest = RandomForestRegressor(30, max_depth=8, random_state=0).fit(data.rows, data.target)
    folder = package(
        forest, data.rows, data.target,
        name="template", version="1", features=[{"name": name} for name in data.columns], target={"name": "yield"},
        out=site.folder / "template", interval="normalized",
    )  # fmt: skip
    return open_bundle(folder, KeySettings().trust())


def _publish(client: httpx.Client, site: Site, template: Bundle, name: str) -> None:
    files = {path: template.read(path) for path in template.manifest.files}
    key = KeySettings().signing_key()
    info = write_bundle(site.folder / "named" / name, replace(template.manifest, name=name, files={}), files, key)
    archive = pack(info.folder, site.folder / "named.zip")
    answer = client.post(
        "/api/v1/twin/models",
        files={"bundle": ("bundle.zip", archive.read_bytes(), "application/zip")},
        headers=site.headers(),
    )
    answer.raise_for_status()


def _call(client: httpx.Client, site: Site, names: Iterable[str]) -> list[float]:
    """Seconds of one prediction by each of the models, in turn."""
    times_s = []
    for name, body in zip(names, row_bodies(), strict=False):
        started_s = time.perf_counter()
        headers = {**site.headers(), "Content-Type": "application/json"}
        answer = client.post("/api/v1/twin/predict", params={"model": name}, content=body, headers=headers)
        times_s.append(time.perf_counter() - started_s)
        answer.raise_for_status()
    return times_s
