from pathlib import Path
from typing import Any

import pytest

from tests.unit.twin.twin_service import Bench


@pytest.fixture
def bench(tmp_path: Path, key_pair: Any, clock: Any, database_url: str, redis_url: str) -> Bench:
    bench = Bench(tmp_path, key_pair, clock, database_url, redis_url)
    bench.migrate()
    return bench
