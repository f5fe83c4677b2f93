"""Images in `.npz` files, as they should be and as nobody should send them."""

import io
import struct
import tracemalloc
import zipfile

import httpx
import numpy as np
import pytest

from tests.integration.anomaly.site import Site, serving

NPZ = {"Content-Type": "application/x-npz"}


def packed(compress: bool = False, **arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(file, **arrays)
    return file.getvalue()


def claiming(shape: str, data: bytes = b"", descr: str = "'<f8'") -> bytes:
    """An archive whose array says it has this shape."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    return headed(header + " " * (-(len(header) + 11) % 64) + "\n", data)


def headed(header: str, data: bytes = b"", packing: int = zipfile.ZIP_STORED) -> bytes:
    """An archive whose array begins with this header."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header.encode() + data)
    return file.getvalue()


def damaged(file: bytes, place: int) -> bytes:
    return file[:place] + bytes([file[place] ^ 0xFF]) + file[place + 1 :]


@pytest.mark.parametrize(
    ("array", "shape", "columns"),
    [
        (np.arange(20 * 80, dtype=np.uint8).reshape(20, 8, 10), [8, 10, 1], ["r0c0", "r7c9"]),
        (np.zeros((3, 8, 8, 3), np.float32), [8, 8, 3], ["r0c0k0", "r7c7k2"]),
        (np.asfortranarray(np.ones((3, 8, 9))), [8, 9, 1], ["r0c0", "r7c8"]),
    ],
)
@pytest.mark.parametrize("compress", [True, False])
async def test_images_are_kept_as_rows_of_pixels(
    client: httpx.AsyncClient, array: np.ndarray, shape: list[int], columns: list[str], compress: bool
):
    answer = await client.post("/uploads", content=packed(compress, images=array), headers=NPZ)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["rows"], told["image_shape"]) == (len(array), shape)
    assert [told["columns"][0], told["columns"][-1]] == columns


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"PK\x03\x04 and no more",
        packed(images=np.zeros((2, 8, 8)))[:-30],
        packed(images=np.zeros((2, 8, 8)), labels=np.zeros(2)),
        packed(images=np.array([[["a"]]])),
        packed(images=np.zeros((2, 8))),
        packed(images=np.zeros((2, 4, 4))),
        packed(images=np.zeros((2, 80, 80))),
        packed(images=np.full((2, 8, 8), np.nan)),
        packed(images=np.zeros((0, 8, 8))),
        claiming("(2, 8, 8)", bytes(100)),
        claiming("(2, 8, 8)", bytes(2000)),
        claiming("(-2, 8, 8)"),
        claiming("(2, 8, 8)", bytes(1024), descr="'|O'"),
        claiming("(2, 8, 8)", bytes(1024), descr="__import__('os')"),
        claiming("(2, 8, 8)", bytes(1024), descr="()"),
        claiming("(2, 8, 8)", bytes(1024), descr="'<f8,,'"),
        claiming("(True, 8, 8)", bytes(512)),
        headed("{'descr': '<f8', 'shape': (2,"),
        headed("{1: 1, 'descr': '<f8'}"),
        headed("(" * 5000),
        headed("-" * 9000 + "1"),
        damaged(headed("{}", bytes(4096), zipfile.ZIP_LZMA), 60),
    ],
)
async def test_file_that_holds_no_images_is_a_422(client: httpx.AsyncClient, file: bytes):
    answer = await client.post("/uploads", content=file, headers=NPZ)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] in {"anomaly.rows_refused", "anomaly.images_refused"}


async def test_size_is_refused_from_the_header_before_anything_is_unpacked(client: httpx.AsyncClient):
    answer = await client.post("/uploads", content=claiming("(1000000000, 64, 64)"), headers=NPZ)
    assert (answer.status_code, answer.json()["code"]) == (413, "anomaly.upload_too_large")


async def test_more_images_than_are_taken_are_a_413(site: Site):
    async with serving(site, site.settings.model_copy(update={"upload_limit_rows": 2})) as client:
        answer = await client.post("/uploads", content=packed(images=np.zeros((3, 8, 8))), headers=NPZ)
    assert answer.status_code == 413


async def test_header_that_unpacks_to_megabytes_is_not_taken_into_memory(client: httpx.AsyncClient):
    bomb = headed(" " * 50_000_000, packing=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    answer = await client.post("/uploads", content=bomb, headers=NPZ)
    most_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.status_code == 422
    assert most_bytes < 20_000_000
