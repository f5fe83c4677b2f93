"""A twin's process for a benchmark: a bundle, keys, tables and a caller whom it believes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.http_load import free_port, wait_until_open
from futago.migrations import migrate_all
from futago.plant import yield_dataset
from services.twin.library import package
from shared.clock import SystemClock
from shared.internal_token import HEADER, InternalTokenSigner
from shared.jwt import TokenSigner
from shared.principal import ROLE_PERMISSIONS, Principal, Role

_ROWS = 2_000
# Wide enough for the rows that are sent.
_RANGE_MARGIN = 10.0
# More than the twin keeps in its own memory, and more than one round sends.
_BODIES = 20_000


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with everything a twin needs."""

    folder: Path
    signer: InternalTokenSigner

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    def headers(self) -> dict[str, str]:
        """Who calls, vouched for during the next half minute at least."""
        caller = Principal("bench", Role.ENGINEER, ROLE_PERMISSIONS[Role.ENGINEER])
        return {HEADER: self.signer.sign(caller, "twin")}

    @contextmanager
    def twin(self, settings: Mapping[str, str]) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
        """The twin's process on a free port, with more settings (`TWIN_…`)."""
        port = free_port()
        environment = {
            "FUTAGO_DATABASE_URL": f"sqlite:///{self.folder}/futago.db",
            "FUTAGO_STORE_URL": f"file://{self.folder}/store",
            "FUTAGO_CACHE_DIR": f"{self.folder}/cache",
            "FUTAGO_TRUST_DIR": f"{self.folder}/trust",
            "FUTAGO_IDENTITY_KEY_FILE": f"{self.folder}/identity.pub.pem",
            "FUTAGO_REDIS_URL": "redis://127.0.0.1:1/0",
            "FUTAGO_LOG_LEVEL": "info",
            "TWIN_PORT": str(port),
            "TWIN_MODEL_PATH": str(self.bundle),
            **settings,
        }
        with server([sys.executable, "-m", "services.twin.app"], environment, port) as process:
            yield port, process

    @contextmanager
    def floor(self) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
        """The bare application with the same graph on a free port."""
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "benchmarks.floor_app:app", "--port", str(port)]
        command += ["--log-level", "error", "--no-access-log", "--no-proxy-headers"]
        with server(command, {"FLOOR_MODEL": str(self.bundle / "model.onnx")}, port) as process:
            yield port, process


def make_site(folder: Path) -> Site:
    """Train, package and migrate: ten trees of depth five on three sensors, as a plant's first model may be."""
    os.environ["FUTAGO_HOME"] = str(folder)  # a signing key of its own
    data, pipeline = yield_dataset(_ROWS, seed=0), fitted_pipeline()
    features = [
        {"name": name, "valid_range": [float(column.min()) - _RANGE_MARGIN, float(column.max()) + _RANGE_MARGIN]}
        for name, column in zip(data.columns, data.rows.T, strict=True)
    ]
    package(
        pipeline, data.rows, data.target,
        name="yield", version="1", features=features, target={"name": "yield"},
        out=folder / "bundle", interval="normalized",
    )  # fmt: skip
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "identity.pub.pem").write_bytes(public)
    migrate_all(f"sqlite:///{folder}/futago.db")
    (folder / "cache").mkdir()
    return Site(folder, InternalTokenSigner(TokenSigner(private), SystemClock()))


def fitted_pipeline() -> Pipeline:
    """The estimator behind the bundle; always the same."""
    data = yield_dataset(_ROWS, seed=0)
    pipeline = make_pipeline(StandardScaler(), RandomForestRegressor(10, max_depth=5, random_state=0))
    return pipeline.fit(data.rows, data.target)


def rows() -> list[list[float]]:
    """Rows that differ, in the order of the features."""
    return yield_dataset(_BODIES, seed=1).rows.tolist()


def row_bodies() -> list[bytes]:
    """The same rows as the twin takes them."""
    names = feature_names()
    return [json.dumps(dict(zip(names, row, strict=True))).encode() for row in rows()]


def feature_names() -> tuple[str, ...]:
    """The features in the order of the model."""
    return yield_dataset(1, seed=1).columns


@contextmanager
def server(command: list[str], environment: Mapping[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that listens on the port; ended afterwards."""
    # Some peers tell every request; what they tell is not what is measured.
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until_open(port, process)
        yield process
    finally:
        process.terminate()
        process.wait()
