"""A twin assembled as its process assembles it, called without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sklearn.ensemble import RandomForestRegressor

from services.twin.adapters.tables import HISTORY, SCRIPTS
from services.twin.app import create_app
from services.twin.domain.fail_safe import FailSafe
from services.twin.domain.live_settings import LiveSettings
from services.twin.packaging.package import build_package, describe
from services.twin.settings import TwinSettings
from shared.database import migrate
from shared.http.app import ServiceApp
from shared.internal_token import HEADER, InternalTokenSigner
from shared.jwt import TokenSigner
from shared.onnx.archive import pack
from shared.onnx.signing import SigningKey, TrustStore
from shared.principal import ROLE_PERMISSIONS, Principal, Role

FEATURES = [
    {"name": "temp", "unit": "°C", "valid_range": [340, 380]},
    {"name": "pressure", "unit": "bar", "valid_range": [4, 8]},
]
GOOD = {"temp": 361.5, "pressure": 6.1}
RNG = np.random.default_rng(0)
X = np.stack([RNG.uniform(340, 380, 300), RNG.uniform(4, 8, 300)], axis=1)
Y = 85 - 0.05 * (X[:, 0] - 360) ** 2 - 2 * (X[:, 1] - 6) ** 2


@dataclass(frozen=True)
class Bench:
    """Everything a test needs to make bundles and twins in one folder."""

    folder: Path
    key_pair: Any
    clock: Any
    database_url: str
    redis_url: str = "redis://127.0.0.1:1/0"

    @property
    def trust(self) -> TrustStore:
        return TrustStore(self.folder / "trust")

    def key(self, name: str = "signing") -> SigningKey:
        return SigningKey.load_or_create(self.folder / "keys" / f"{name}.pem")

    def bundle(
        self,
        name: str = "yield",
        version: str = "1",
        *,
        trees: int = 3,
        key: SigningKey | None = None,
        live: LiveSettings | None = None,
        fail_safe: FailSafe | None = None,
    ) -> Path:
        """A bundle folder; another number of trees is another model."""
        info = build_package(
            RandomForestRegressor(trees, random_state=0).fit(X, Y),
            X,
            Y,
            description=describe(name, version, FEATURES, {"name": "yield", "unit": "%"}),
            scaler=None,
            interval="auto",
            calibration=None,
            out=self.folder / "bundles" / f"{name}-{version}-{trees}",
            key=key or self.key(),
            now=self.clock.now(),
            live=live,
            fail_safe=fail_safe,
        )
        return info.folder

    def archive(self, *arguments: Any, **changes: Any) -> bytes:
        folder = self.bundle(*arguments, **changes)
        return pack(folder, folder.with_suffix(".zip")).read_bytes()

    def settings(self, **changes: Any) -> TwinSettings:
        identity = self.folder / "identity.pub.pem"
        identity.write_bytes(self.key_pair.public)
        arguments: dict[str, Any] = {
            "port": 0,
            "redis_url": self.redis_url,
            "database_url": self.database_url,
            "store_url": f"file://{self.folder}/store",
            "cache_dir": self.folder / "cache",
            "identity_key_file": identity,
            "trust_dir": self.folder / "trust",
            "registry_poll_s": 0.05,
            **changes,
        }
        return TwinSettings(**arguments)

    def migrate(self) -> None:
        migrate(self.database_url, HISTORY, SCRIPTS)
        self.trust.enrol(self.key().public_pem())

    def client(self, app: ServiceApp, role: Role = Role.ENGINEER, assets: tuple[str, ...] = ()) -> httpx.AsyncClient:
        caller = Principal("kato", role, ROLE_PERMISSIONS[role], assets)
        signer = InternalTokenSigner(TokenSigner(self.key_pair.private), self.clock)

        async def vouch(request: httpx.Request) -> None:
            # For each request anew, as the gateway does: the clock may have been moved by more than a token lives.
            request.headers.setdefault(HEADER, signer.sign(caller, "twin"))

        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://twin", event_hooks={"request": [vouch]}
        )

    @asynccontextmanager
    async def twin(self, **changes: Any) -> AsyncIterator[ServiceApp]:
        """A running twin; several may run on the same folder, as replicas do."""
        app = create_app(self.settings(**changes), self.clock)
        async with app.api.router.lifespan_context(app.api):
            yield app


async def publish(client: httpx.AsyncClient, archive: bytes) -> httpx.Response:
    return await client.post("/api/v1/twin/models", files={"bundle": ("bundle.zip", archive, "application/zip")})
