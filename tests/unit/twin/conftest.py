from pathlib import Path
from typing import Any

import pytest

from tests.unit.twin.twin_service import Bench


@pytest.fixture
def bench(tmp_path: Path, key_pair: Any, clock: Any) -> Bench:
    bench = Bench(tmp_path, key_pair, clock, f"sqlite:///{tmp_path / 'twin.db'}")
    bench.migrate()
    return bench
