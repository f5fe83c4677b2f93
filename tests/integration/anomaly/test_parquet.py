"""Parquet files as other programs write them, and as nobody should send them."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.anomaly.adapters.table_store import fetch_table
from services.anomaly.adapters.tables import uploads
from shared.database import read
from shared.store import Store
from tests.integration.anomaly.site import COLUMNS, Site, plant, serving

PARQUET = {"Content-Type": "application/vnd.apache.parquet"}
START = datetime(2026, 4, 1, tzinfo=UTC)


def written(columns: dict[str, pa.Array], **settings: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **settings)
    return file.getvalue()


def times(rows: int, unit: str = "us", zone: str | None = None) -> pa.Array:
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    first = round(START.timestamp()) * per_second
    return pa.array(first + np.arange(rows) * per_second, pa.timestamp(unit, tz=zone))


def kept_rows(site: Site, upload_id: str, columns: list[str]) -> np.ndarray:
    with read(site.engine) as connection:
        digest = connection.execute(uploads.select().where(uploads.c.upload_id == upload_id)).one().digest
    return fetch_table(Store(site.settings.store_url), digest, site.folder / "kept", columns).rows


async def test_types_that_hold_readings_are_read_and_nulls_are_missing(site: Site, client: httpx.AsyncClient):
    columns = {
        "f64": pa.array([1.5, None, float("nan"), 4.5]),
        "f32": pa.array([1, 2, 3, 4], pa.float32()),
        "i64": pa.array([10, None, 30, 40], pa.int64()),
        "u8": pa.array([1, 2, 3, 255], pa.uint8()),
        "flag": pa.array([True, False, None, True]),
        "money": pa.array([Decimal("1.25"), None, Decimal("3.00"), Decimal("-4.75")]),
        "coded": pa.array([0.5, 0.5, None, 2.0]).dictionary_encode(),
    }
    answer = await client.post("/uploads", content=written(columns, row_group_size=3), headers=PARQUET)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["rows"], told["columns"], told["missing"], told["period"]) == (4, list(columns), 6, None)
    nan = np.nan
    expected = [
        [1.5, 1, 10, 1, 1, 1.25, 0.5],
        [nan, 2, nan, 2, 0, nan, 0.5],
        [nan, 3, 30, 3, nan, 3.0, nan],
        [4.5, 4, 40, 255, 1, -4.75, 2.0],
    ]
    np.testing.assert_array_equal(kept_rows(site, told["upload_id"], list(columns)), expected)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
async def test_only_column_of_timestamps_is_the_time(client: httpx.AsyncClient, unit: str, zone: str | None):
    file = written({"when": times(3, unit, zone), "flow": pa.array([1.0, 2.0, 3.0])})
    told = (await client.post("/uploads", content=file, headers=PARQUET)).json()
    assert told["columns"] == ["flow"]
    assert told["period"] == ["2026-04-01T00:00:00Z", "2026-04-01T00:00:02Z"]


async def test_of_several_columns_of_timestamps_one_has_to_be_named(client: httpx.AsyncClient):
    file = written({"a": times(2), "b": times(2), "flow": pa.array([1.0, 2.0])})
    answer = await client.post("/uploads", content=file, headers=PARQUET)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?time_column")


def encrypted() -> bytes:
    return b"PARE" + bytes(200) + b"\x40\x00\x00\x00PARE"


def overwritten() -> bytes:
    file = bytearray(written({"flow": pa.array(np.random.default_rng(0).normal(size=5000))}, compression="snappy"))
    file[4:4000] = b"\xff" * 3996
    return bytes(file)


def bomb() -> bytes:
    """Half a gigabyte of zeros in one page of some kilobytes."""
    zeros = np.zeros(1 << 26)
    settings = {"compression": "zstd", "use_dictionary": False, "data_page_size": 1 << 30, "row_group_size": 1 << 26}
    return written({"flow": pa.array(zeros)}, write_batch_size=1 << 26, **settings)


@pytest.mark.parametrize(
    ("file", "pointers"),
    [
        (b"", []),
        (b"PAR1", []),
        (b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1", []),
        (written({"flow": pa.array([1.0])})[:-20], []),
        (encrypted(), []),
        (overwritten(), []),
        (written({"flow": pa.array([1.0]), "name": pa.array(["a"])}), ["/columns/1"]),
        (written({"name": pa.array(["a"]).dictionary_encode(), "flow": pa.array([1.0])}), ["/columns/0"]),
        (written({"flow": pa.array([[1.0]]), "deep": pa.array([{"a": 1.0}])}), ["/columns/0", "/columns/1"]),
        (written({"flow": pa.array([1.0]), "lap": pa.array([5], pa.duration("us"))}), ["/columns/1"]),
        (written({"when": times(2)}), ["/columns"]),
        (written({" flow": pa.array([1.0])}), ["/columns/0"]),
        (written({"flow": pa.array([1.0, float("inf")])}), ["/rows/1/flow"]),
        (written({"flow": pa.array([], pa.float64())}), ["/file"]),
        (
            written({"when": pa.array([START, None], pa.timestamp("us")), "flow": pa.array([1.0, 2.0])}),
            ["/rows/1/when"],
        ),
        (
            written({"when": pa.array([START, START], pa.timestamp("us")), "flow": pa.array([1.0, 2.0])}),
            ["/rows/1/when"],
        ),
        (
            written({"when": pa.array([-(2**62), 0], pa.timestamp("ms")), "flow": pa.array([1.0, 2.0])}),
            ["/rows/0/when"],
        ),
    ],
)
async def test_file_that_cannot_be_used_is_a_422(client: httpx.AsyncClient, file: bytes, pointers: list[str]):
    answer = await client.post("/uploads", content=file, headers=PARQUET)
    assert (answer.status_code, answer.json()["code"]) == (422, "anomaly.rows_refused"), answer.text
    assert [fault["pointer"] for fault in answer.json().get("errors", [])] == pointers


@pytest.mark.parametrize("limits", [{"upload_limit_rows": 2}, {"upload_limit_columns": 1}, {"upload_limit_values": 5}])
async def test_file_over_a_limit_is_a_413(site: Site, limits: dict[str, int]):
    file = written({"a": pa.array([1.0, 2.0, 3.0]), "b": pa.array([1.0, 2.0, 3.0])})
    async with serving(site, site.settings.model_copy(update=limits)) as client:
        assert (await client.post("/uploads", content=file, headers=PARQUET)).status_code == 413


async def test_file_that_unpacks_to_far_more_than_it_is_does_no_harm(client: httpx.AsyncClient):
    file = bomb()
    assert len(file) < 1 << 20
    answer = await client.post("/uploads", content=file, headers=PARQUET)
    assert answer.status_code in {413, 422}


async def test_form_is_read_by_the_ending_of_the_files_name(client: httpx.AsyncClient):
    file = written({"flow": pa.array([1.0, 2.0])})
    answer = await client.post("/uploads", files={"file": ("pump.parquet", file, "application/octet-stream")})
    assert (answer.status_code, answer.json()["rows"]) == (201, 2)


async def test_detector_is_trained_on_an_upload_with_its_times(site: Site, client: httpx.AsyncClient):
    rows = plant(500)
    file = written(
        {"when": times(500, "ms", "Asia/Tokyo")} | {name: pa.array(rows[:, i]) for i, name in enumerate(COLUMNS)}
    )
    upload_id = (await client.post("/uploads", content=file, headers=PARQUET)).json()["upload_id"]
    training = {"upload_id": upload_id, "columns": COLUMNS}
    job = await client.post("/detectors", json={"name": "pump", "kind": "mahalanobis", "training": training})
    assert job.status_code == 202, job.text
    site.train_now(job.json()["id"])
    last = (START + timedelta(seconds=499)).isoformat().replace("+00:00", "Z")
    assert (await client.get("/detectors/pump")).json()["period"] == ["2026-04-01T00:00:00Z", last]
