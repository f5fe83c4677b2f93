"""What an attacker has with it who walks from answer to answer: its own password, a bundle to publish, and models."""

import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sklearn.linear_model import LinearRegression

from futago.launcher.home import Home
from services.anomaly.routes.guide import GUIDE as ANOMALY_GUIDE
from services.gateway.routes.guide import GUIDE as GATEWAY_GUIDE
from services.planner.routes.guide import GUIDE as PLANNER_GUIDE
from services.twin.packaging.package import build_package, describe
from shared.clock import SystemClock
from shared.contracts.guide import Guide
from shared.onnx.archive import pack
from shared.onnx.bundle import Bundle, open_bundle, write_bundle
from shared.onnx.signing import SigningKey, TrustStore
from shared.principal import Role
from tests.security.running_suite import RunningSuite

MODEL = "walked"
FIRST_VERSIONS = ("1.0.0", "1.1.0")
# In front of the detector of the built-in plant, wherever the first of all is taken.
DETECTORS = ("fan-1", "fan-2")
_JOB_LIMIT_S = 120.0
ASSET = "acme.osaka.walk"
INPUT = {"temp": 361.5, "pressure": 6.1, "flow": 101.2}
_ENVIRONMENT = "FUTAGO_WALK"
_FEATURES = (
    {"name": "temp", "unit": "°C", "valid_range": [340, 380]},
    {"name": "pressure", "unit": "bar", "valid_range": [4, 8]},
    {"name": "flow", "unit": "kg/h", "valid_range": [80, 120]},
)


@dataclass(frozen=True, slots=True)
class Walk:
    """Who walks, and where what it needs lies.

    Parameters
    ----------
    home
        Folder of the suite, with the key that signs bundles.
    username, password
        The walker's own; none for nobody.
    spared
        Names of users and of a detector that no walk may end: others walk as them, or on it.
    """

    home: str
    username: str
    password: str
    spared: tuple[str, ...]

    @classmethod
    def of(cls, suite: RunningSuite, role: Role | None) -> "Walk":
        """A walk as one of the suite's users, or as nobody."""
        login = suite.logins[role] if role is not None else None
        return cls(
            home=str(suite.home.root),
            username=login.username if login else "",
            password=login.password if login else "",
            spared=(*(each.username for each in suite.logins.values()), "admin", "plant"),
        )

    @classmethod
    @cache
    def of_environment(cls) -> "Walk":
        """The walk that this process was started for."""
        told = json.loads(os.environ[_ENVIRONMENT])
        return cls(**{**told, "spared": tuple(told["spared"])})

    def environment(self) -> Mapping[str, str]:
        """What the process that walks is told."""
        return {_ENVIRONMENT: json.dumps(asdict(self))}

    @property
    def has_bundle(self) -> bool:
        """Whether a bundle was prepared."""
        return _bundle_folder(Home(Path(self.home))).is_dir()

    def archive(self, version: str) -> bytes:
        """The prepared bundle as another version of itself, zipped."""
        home = Home(Path(self.home))
        return _archive(open_bundle(_bundle_folder(home), TrustStore(home.trust)), home, version)


def prepare(suite: RunningSuite) -> None:
    """Make what lists shall begin with: a model of two versions and its alert, detectors, a key, a plan."""
    _build_bundle(suite.home)
    walk = Walk.of(suite, Role.ADMIN)
    credential = {"Authorization": f"Bearer {suite.token(Role.ADMIN)}"}
    with httpx.Client(base_url=f"{suite.url}/api/v1", headers=credential, timeout=60) as client:
        for version in FIRST_VERSIONS:
            client.post("/twin/models", files={"bundle": ("bundle.zip", walk.archive(version))}).raise_for_status()
        # No prediction reaches this: the first one is an alert.
        client.put(f"/twin/models/{MODEL}/alert-rules", json={"minimum": 1e6}).raise_for_status()
        client.post("/twin/predict", params={"model": MODEL, "asset": ASSET}, json=INPUT).raise_for_status()
        jobs = [_post(client, "/anomaly/detectors", ANOMALY_GUIDE, name=name) for name in DETECTORS]
        jobs.append(_post(client, "/planner/plans", PLANNER_GUIDE))
        for _ in range(2):
            _post(client, "/planner/inspections", PLANNER_GUIDE)
            _post(client, "/api-keys", GATEWAY_GUIDE)
        for job in jobs:
            _wait(client, str(job["id"]))


def _post(client: httpx.Client, path: str, guide: Guide, **changes: str) -> dict[str, Any]:
    """Send what a document shows as an example."""
    example = guide.examples[f"POST /api/v1{path}"]
    assert isinstance(example, dict)
    answer = client.post(path, json={**example, **changes})
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


def _wait(client: httpx.Client, job: str) -> None:
    end_s = time.monotonic() + _JOB_LIMIT_S
    while client.get(f"/jobs/{job}").json()["state"] != "succeeded":
        assert time.monotonic() < end_s, client.get(f"/jobs/{job}").text
        time.sleep(0.2)


def _build_bundle(home: Home) -> None:
    rng = np.random.default_rng(1)
    rows = np.stack([rng.uniform(*feature["valid_range"], 200) for feature in _FEATURES], axis=1)
    target = rows @ [0.2, 1.0, 0.05]
    build_package(
        LinearRegression().fit(rows, target),
        rows,
        target,
        description=describe(MODEL, FIRST_VERSIONS[0], _FEATURES, {"name": "yield", "unit": "%"}),
        scaler=None,
        interval="split",
        calibration=None,
        out=_bundle_folder(home),
        key=_signing_key(home),
        now=SystemClock().now(),
    )


def _archive(bundle: Bundle, home: Home, version: str) -> bytes:
    manifest = replace(bundle.manifest, version=version, files={})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bundle"
        write_bundle(folder, manifest, {path: bundle.read(path) for path in bundle.manifest.files}, _signing_key(home))
        return pack(folder, folder.with_suffix(".zip")).read_bytes()


def _signing_key(home: Home) -> SigningKey:
    return SigningKey.load_or_create(home.keys / "signing.pem")


def _bundle_folder(home: Home) -> Path:
    return home.root / "walk" / "bundle"
