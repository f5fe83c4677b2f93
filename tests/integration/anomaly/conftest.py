"""An anomaly service of the test's own on real SQLite and Valkey."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from services.anomaly.adapters.tables import HISTORY, SCRIPTS
from services.anomaly.settings import AnomalySettings
from shared.clock import SystemClock
from shared.database import migrate, open_engine
from shared.internal_token import InternalTokenSigner
from shared.jobs import migrate_jobs
from shared.jwt import TokenSigner
from shared.onnx.signing import SigningKey, TrustStore
from tests.integration.anomaly.site import COLUMNS, Site, plant, serving


@pytest.fixture
def site(tmp_path: Path, sqlite_url: str, redis_url: str, make_key_pair: Callable[[], Any]) -> Iterator[Site]:
    migrate_jobs(sqlite_url)
    migrate(sqlite_url, HISTORY, SCRIPTS)
    keys = make_key_pair()
    (tmp_path / "identity.pub.pem").write_bytes(keys.public)
    trust = TrustStore(tmp_path / "trust")
    trust.enrol(SigningKey.load_or_create(tmp_path / "signing.pem").public_pem())
    settings = AnomalySettings(
        redis_url=SecretStr(redis_url),
        database_url=SecretStr(sqlite_url),
        store_url=(tmp_path / "store").as_uri(),
        cache_dir=tmp_path / "cache",
        trust_dir=tmp_path / "trust",
        identity_key_file=tmp_path / "identity.pub.pem",
        drain_s=0,
        score_limit_rows=2000,
    )
    engine = open_engine(sqlite_url)
    signer = InternalTokenSigner(TokenSigner(keys.private), SystemClock())
    yield Site(tmp_path, sqlite_url, redis_url, engine, signer, settings)
    engine.dispose()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(site) as client:
        yield client


@pytest.fixture
async def trained(site: Site, client: httpx.AsyncClient) -> str:
    """A detector named `pump`, trained and published."""
    rows = plant(600).tolist()
    answer = await client.post("/detectors", json={"name": "pump", "training": {"columns": COLUMNS, "rows": rows}})
    assert answer.status_code == 202, answer.text
    site.train_now(answer.json()["id"])
    return "pump"
