"""One prediction over HTTP beside MLServer and BentoML, one worker each: `make bench-peers` installs and runs them.

MLServer twice: as its own scikit-learn runtime serves the estimator (no interval), and with a runtime that runs the
same graph as the twin and makes the interval. BentoML with a service that does the same.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import joblib
import numpy as np

from benchmarks import peers
from benchmarks.http_load import free_port
from benchmarks.twin_http import PREDICT, Way, report, take_turns
from benchmarks.twin_site import fitted_pipeline, make_site, row_bodies, rows, server

# Where `make bench-peers` installs each peer.
_ENVIRONMENTS = Path(os.environ.get("FUTAGO_PEERS", ".venv-peers")).absolute()
_SERVICES = Path(peers.__file__).parent
_TWIN = "twin"


def main() -> None:
    """Print requests per second and CPU time; the last column is the CPU time over the twin's."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        site, folder = make_site(Path(name)), Path(name) / "peers"
        folder.mkdir()
        _write_model(site.bundle, folder)
        twin = stack.enter_context(site.twin({"TWIN_CACHE_TTL_S": "0"}))
        mlserver_port, bentoml_port = free_port(), free_port()
        mlserver = stack.enter_context(server(*_mlserver(folder, mlserver_port), mlserver_port))
        bentoml = stack.enter_context(server(*_bentoml(folder, bentoml_port), bentoml_port))
        inference = [json.dumps({"inputs": [_tensor(row)]}).encode() for row in rows()]
        ways = {
            _TWIN: Way(PREDICT, *twin, row_bodies()),
            "MLServer, scikit-learn, no interval": Way("/v2/models/sklearn/infer", mlserver_port, mlserver, inference),
            "MLServer, own runtime, same graph": Way("/v2/models/onnx/infer", mlserver_port, mlserver, inference),
            "BentoML, same graph": Way(
                "/predict", bentoml_port, bentoml, [json.dumps({"rows": [row]}).encode() for row in rows()]
            ),
        }
        for connections in (1, 32):
            print(f"  {connections} connection{'s' if connections > 1 else ''}")
            report(take_turns(site, ways, connections), _TWIN)


def _write_model(bundle: Path, folder: Path) -> None:
    """The twin's graph and its 90 % interval, and the estimator as MLServer's own runtime wants it."""
    (folder / "model.onnx").write_bytes((bundle / "model.onnx").read_bytes())
    with np.load(bundle / "calibration.npz") as arrays:
        score = float(np.quantile(arrays["scores"], 0.9))
    floor = json.loads((bundle / "manifest.json").read_text())["card"]["interval"]["floor"]
    (folder / "calibration.json").write_text(json.dumps({"score": score, "floor": floor}))
    joblib.dump(fitted_pipeline(), folder / "model.joblib")


def _mlserver(folder: Path, port: int) -> tuple[list[str], Mapping[str, str]]:
    settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    (folder / "settings.json").write_text(json.dumps({**settings, "parallel_workers": 0, "debug": False}))
    models = {
        "sklearn": ("mlserver_sklearn.SKLearnModel", folder / "model.joblib"),
        "onnx": ("mlserver_onnx.OnnxTwin", folder),
    }
    for name, (implementation, uri) in models.items():
        (folder / name).mkdir()
        document = {"name": name, "implementation": implementation, "parameters": {"uri": str(uri)}}
        (folder / name / "model-settings.json").write_text(json.dumps(document))
    return [str(_ENVIRONMENTS / "mlserver/bin/mlserver"), "start", str(folder)], {"PYTHONPATH": str(_SERVICES)}


def _bentoml(folder: Path, port: int) -> tuple[list[str], Mapping[str, str]]:
    command = [str(_ENVIRONMENTS / "bentoml/bin/bentoml"), "serve", "bentoml_onnx:OnnxTwin", "--port", str(port)]
    environment = {"PYTHONPATH": str(_SERVICES), "PEER_MODEL": str(folder), "BENTOML_HOME": str(folder / "bentoml")}
    return [*command, "--host", "127.0.0.1"], {**environment, "BENTOML_DO_NOT_TRACK": "True"}


def _tensor(row: list[float]) -> dict[str, object]:
    return {"name": "rows", "shape": [1, len(row)], "datatype": "FP64", "data": row}


if __name__ == "__main__":
    main()
