"""Which sensors a model looked at, over HTTP."""

import httpx
import pytest

from tests.integration.anomaly.site import COLUMNS, Site, plant

FAULTY = plant(60, seed=3)
FAULTY[40:, 1] += 5.0
OPTIONS = {"window_rows": 4, "smoothing_rows": 3, "head_width": 4, "heads": 2, "layers": 1, "epochs": 2}


async def anomalous_rows(site: Site, client: httpx.AsyncClient, **wish: object) -> list[dict[str, dict[str, float]]]:
    wanted = {"name": "pump", "training": {"columns": COLUMNS, "rows": plant(300).tolist()}, **wish}
    site.train_now((await client.post("/detectors", json=wanted)).json()["id"])
    answer = await client.post("/detectors/pump/score", json={"columns": COLUMNS, "rows": FAULTY.tolist()})
    return answer.json()["contributions"]


async def test_transformer_says_for_every_anomalous_row_which_sensors_it_looked_at(
    site: Site, client: httpx.AsyncClient
):
    rows = await anomalous_rows(site, client, kind="transformer", options=OPTIONS)
    assert rows
    for row in rows:
        assert list(row["attention"]) == COLUMNS
        assert sum(row["attention"].values()) == pytest.approx(1.0)


async def test_other_kinds_have_no_attention(site: Site, client: httpx.AsyncClient):
    rows = await anomalous_rows(site, client, kind="mahalanobis", options={"smoothing_rows": 3})
    assert rows
    assert all(row["attention"] is None for row in rows)
