"""A planner of the test's own on real databases and Valkey."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from services.planner import library
from services.planner.adapters.tables import HISTORY, SCRIPTS
from services.planner.settings import PlannerSettings
from shared.clock import SystemClock
from shared.database import migrate, open_engine
from shared.internal_token import InternalTokenSigner
from shared.jobs import migrate_jobs
from shared.jwt import TokenSigner
from tests.integration.planner.site import Site, serving


@pytest.fixture(scope="session")
def compiled(request: pytest.FixtureRequest) -> Path:
    """Where the compiled search is kept between test runs; compiled here, and not while a token runs out."""
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir("planner-search")
    library.warm_up(folder)
    return folder


@pytest.fixture
def site(
    tmp_path: Path, compiled: Path, database_url: str, redis_url: str, make_key_pair: Callable[[], Any]
) -> Iterator[Site]:
    migrate_jobs(database_url)
    migrate(database_url, HISTORY, SCRIPTS)
    keys = make_key_pair()
    (tmp_path / "identity.pub.pem").write_bytes(keys.public)
    settings = PlannerSettings(
        redis_url=SecretStr(redis_url),
        database_url=SecretStr(database_url),
        identity_key_file=tmp_path / "identity.pub.pem",
        drain_s=0,
        search_limit_s=60,
    )
    engine = open_engine(database_url)
    signer = InternalTokenSigner(TokenSigner(keys.private), SystemClock())
    yield Site(tmp_path, database_url, redis_url, engine, signer, compiled, settings)
    engine.dispose()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(site) as client:
        yield client
