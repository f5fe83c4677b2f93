"""What a twin needs to start, and what it does without."""

from pathlib import Path

import pytest

from services.twin.app import create_app
from shared.startup import CannotStart
from tests.unit.twin.twin_service import GOOD, Bench


async def test_a_twin_whose_bundle_or_tables_are_not_right_refuses_to_start(bench: Bench, tmp_path: Path):
    with pytest.raises(CannotStart, match="not trusted"):
        create_app(bench.settings(model_path=bench.bundle("foreign", key=bench.key("foreign"))), bench.clock)
    with pytest.raises(CannotStart) as refusal:
        create_app(
            bench.settings(database_url=f"sqlite:///{tmp_path}/empty.db", identity_key_file=tmp_path / "none"),
            bench.clock,
        )
    assert len(refusal.value.reasons) == 2


async def test_with_database_and_redis_both_away_it_starts_and_answers_for_the_bundle_of_its_configuration(
    bench: Bench,
):
    folder = bench.bundle()
    bench.trust.enrol(bench.key().public_pem())
    away = {"database_url": "postgresql+psycopg://x:y@127.0.0.1:1/z", "redis_url": "redis://127.0.0.1:1/0"}
    async with bench.twin(model_path=folder, **away) as app, bench.client(app) as client:
        tensors = [{"name": "rows", "shape": [1, 2], "datatype": "FP64", "data": list(GOOD.values())}]
        for path, body, status in (
            ("/api/v1/twin/predict", GOOD, 200),
            ("/api/v1/twin/batch", {"inputs": [GOOD]}, 200),
            ("/v2/models/yield/infer", {"inputs": tensors}, 200),
            ("/v2/models/yield/versions/1/infer", {"inputs": tensors}, 200),
            ("/api/v1/twin/predict?model=other", GOOD, 503),
            ("/api/v1/twin/observations", {"model": "yield", "inputs": GOOD, "actual": 80.0}, 503),
        ):
            assert (await client.post(path, json=body)).status_code == status, path
        assert (await client.get("/v2/models/yield/ready")).json() == {"name": "yield", "ready": True}
        assert (await client.get("/v2/models/other/ready")).status_code == 503
