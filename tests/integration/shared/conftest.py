"""Benches on which jobs are done."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Valkey
from tests.integration.shared.job_bench import Bench, Server


@pytest.fixture
def bench(sqlite_url: str, redis_url: str, tmp_path: Path):
    bench = Bench(sqlite_url, redis_url, tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def any_bench(database_url: str, redis_url: str, tmp_path: Path):
    bench = Bench(database_url, redis_url, tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def own_bench(sqlite_url: str, own_valkey: Server, tmp_path: Path):
    bench = Bench(sqlite_url, own_valkey.url, tmp_path)
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def _lasting_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "valkey").mkdir()
    server = Valkey(folder / "valkey")
    bench = Bench(f"sqlite:///{folder / 'test.db'}", server.url, folder)
    bench.start_worker()
    yield bench
    bench.close()
    server.stop()


@pytest.fixture
def at_work(_lasting_bench: Bench, tmp_path: Path) -> Bench:
    """A bench whose worker runs and is shared: starting one for each job takes longer than the job."""
    _lasting_bench.diary = tmp_path / "diary"
    return _lasting_bench
