"""Files of training rows."""

import asyncio

import httpx
import pytest

from tests.integration.anomaly.site import COLUMNS, Site, serving

CSV = {"Content-Type": "text/csv"}


async def test_file_may_come_as_a_form(client: httpx.AsyncClient):
    answer = await client.post("/uploads", files={"file": ("rows.csv", b"flow,pressure\n1,2\n3,4\n", "text/csv")})
    assert answer.status_code == 201
    assert answer.json()["columns"] == ["flow", "pressure"]


async def test_readings_that_are_missing_are_counted(client: httpx.AsyncClient):
    answer = await client.post("/uploads", content=b"a,b\n1,\nnan,2\n", headers=CSV)
    assert (answer.status_code, answer.json()["rows"], answer.json()["missing"]) == (201, 2, 2)


@pytest.mark.parametrize(
    ("file", "pointers"),
    [
        (b"a,b\n1,2\n3\n", ["/line/3"]),
        (b"a,b\n1,x\nnan,inf\n", ["/line/2/b", "/line/3/b"]),
        (b"a,a\n1,2\n", ["/columns/1"]),
        (b"\xff\xfe\n", []),
        (b"", ["/columns"]),
        (b"a,b\n1\r1,2\n", ["/line/2"]),
        (b"a,b\n1_0,2\n", ["/line/2/a"]),
    ],
)
async def test_file_that_is_no_table_is_refused_by_line(client: httpx.AsyncClient, file: bytes, pointers: list[str]):
    answer = await client.post("/uploads", content=file, headers=CSV)
    assert (answer.status_code, answer.json()["code"]) == (422, "anomaly.rows_refused")
    assert [fault["pointer"] for fault in answer.json().get("errors", [])] == pointers


@pytest.mark.parametrize(
    ("column", "file"),
    [
        ("time", b"a,b\n1,2\n"),
        ("a", b"a,b\n2026-04-01T00:00:01Z,2\n2026-04-01T00:00:00Z,2\n"),
        ("a", b"a,b\nyesterday,2\n"),
        ("a", b"a,b\n0001-01-01T00:00:00+05:00,2\n"),
        ("a", b"a\n2026-04-01T00:00:01Z\n"),
    ],
)
async def test_times_that_cannot_be_used_are_refused(client: httpx.AsyncClient, column: str, file: bytes):
    answer = await client.post("/uploads", params={"time_column": column}, content=file, headers=CSV)
    assert (answer.status_code, answer.json()["code"]) == (422, "anomaly.rows_refused")


async def test_other_types_of_file_are_a_415_that_names_what_is_read(client: httpx.AsyncClient):
    answer = await client.post("/uploads", content=b"%PDF", headers={"Content-Type": "application/pdf"})
    assert answer.status_code == 415
    assert answer.json()["available"] == ["text/csv", "application/vnd.apache.parquet", "application/x-npz"]


@pytest.mark.parametrize(
    ("limits", "file"),
    [
        ({"upload_limit_rows": 2}, b"a,b\n1,2\n1,2\n1,2\n"),
        ({"upload_limit_columns": 1}, b"a,b\n1,2\n"),
        ({"upload_limit_values": 5}, b"a,b\n1,2\n1,2\n1,2\n"),
        ({"upload_limit_bytes": 10}, b"a,b\n1,2\n1,2\n1,2\n"),
        ({}, b"a,b\n" + b"1" * 200_000),
    ],
)
async def test_file_over_a_limit_is_a_413(site: Site, limits: dict[str, int], file: bytes):
    async with serving(site, site.settings.model_copy(update=limits)) as client:
        assert (await client.post("/uploads", content=file, headers=CSV)).status_code == 413


async def test_scores_do_not_wait_for_a_file_that_is_being_read(site: Site, trained: str):
    file = b"a,b,c,d\n" + b"1,2,3,4\n" * 600_000
    async with serving(site, site.settings.model_copy(update={"score_threads": 1})) as client:
        upload = asyncio.create_task(client.post("/uploads", content=file, headers=CSV))
        await asyncio.wait({upload}, timeout=0.3)
        scored = await client.post(
            f"/detectors/{trained}/score", json={"columns": COLUMNS, "rows": [[30.0, 6.0, 350.0]]}
        )
        assert (scored.status_code, upload.done()) == (200, False)
        assert (await upload).json()["rows"] == 600_000
