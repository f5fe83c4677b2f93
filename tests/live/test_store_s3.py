"""The store on S3, over the real protocol: no folders, no renaming, other processes that write at the same time."""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import fsspec
import pytest

from shared.store import Store, StoredFileMissing, StoreUnavailable
from tests.integration.conftest import free_port

DAY = timedelta(days=1)
BUCKET, FOLDER = "plant", "futago"


class Objects(Protocol):
    """What the tests look at and do behind the store's back."""

    def list_objects_v2(self, **wanted: str) -> dict[str, list[dict[str, str]]]: ...
    def put_object(self, **wanted: str | bytes) -> object: ...
    def delete_object(self, **wanted: str) -> object: ...


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    missing = [name for name in ("s3fs", "moto", "flask") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"left out: needs Python packages {', '.join(missing)} (s3fs, moto[server])")
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 (installed or not)

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def at_s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    told = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**told, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    return endpoint


@pytest.fixture
def objects(at_s3: str) -> Objects:
    """Another process, with the bucket emptied."""
    import boto3  # noqa: PLC0415 (comes with moto)

    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=each["Key"])
    return client


@pytest.fixture
def store(objects: Objects) -> Store:
    # Connections of the driver belong to the event loop and the environment of a test before.
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    return Store(f"s3://{BUCKET}/{FOLDER}")


def put(store: Store, folder: Path, content: bytes) -> str:
    path = folder / "content"
    path.write_bytes(content)
    return store.put_file("twin", path)


def keys(objects: Objects) -> list[str]:
    return [each["Key"] for each in objects.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def key(digest: str) -> str:
    return f"{FOLDER}/twin/{digest[:2]}/{digest}"


def test_a_file_comes_back_and_nothing_else_is_left(store: Store, objects: Objects, tmp_path: Path):
    content = os.urandom(6 << 20)
    digest = put(store, tmp_path, content)
    assert keys(objects) == [key(digest)]
    assert store.fetch("twin", digest, tmp_path / "cache").read_bytes() == content


def test_a_deleted_file_is_missing_and_deleting_it_again_is_nothing(store: Store, tmp_path: Path):
    digest = put(store, tmp_path, b"a")
    store.delete("twin", digest)
    store.delete("twin", digest)
    with pytest.raises(StoredFileMissing):
        store.fetch("twin", digest, tmp_path / "cache")


def test_a_file_that_another_process_swept_is_written_again(store: Store, objects: Objects, tmp_path: Path):
    digest = put(store, tmp_path, b"swept by another replica")
    # Looks at every file, and may not remember what it saw.
    assert store.sweep("twin", set, written_before=datetime.now(UTC) + DAY) == 0
    objects.delete_object(Bucket=BUCKET, Key=key(digest))
    assert put(store, tmp_path, b"swept by another replica") == digest
    assert keys(objects) == [key(digest)]


def test_a_sweep_takes_what_is_old_unwanted_or_half_written(store: Store, objects: Objects, tmp_path: Path):
    wanted, orphan = put(store, tmp_path, b"wanted"), put(store, tmp_path, b"orphan")
    objects.put_object(Bucket=BUCKET, Key=f"{FOLDER}/twin/.incoming/dead", Body=b"half")

    def refers_to(digests: Sequence[str]) -> set[str]:
        assert sorted(digests) == sorted([wanted, orphan])
        return {wanted}

    assert store.sweep("twin", refers_to, written_before=datetime.now(UTC) - DAY) == 0
    assert store.sweep("twin", refers_to, written_before=datetime.now(UTC) + DAY) == 1
    assert keys(objects) == [key(wanted)]


def test_a_file_put_again_by_another_process_while_a_sweep_asks_stays(store: Store, objects: Objects, tmp_path: Path):
    digest = put(store, tmp_path, b"comes back")
    (listed,) = objects.list_objects_v2(Bucket=BUCKET)["Contents"]
    moment = datetime.fromisoformat(str(listed["LastModified"])) + timedelta(seconds=1)

    def nobody(_: Sequence[str]) -> set[str]:
        # S3 tells times in whole seconds.
        while datetime.now(UTC) < moment + timedelta(seconds=0.1):
            pass
        objects.put_object(Bucket=BUCKET, Key=key(digest), Body=b"comes back")
        return set()

    assert store.sweep("twin", nobody, written_before=moment) == 0
    assert keys(objects) == [key(digest)]


def test_a_store_that_is_away_or_refuses_says_so(at_s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "content").write_bytes(b"a")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    driver = fsspec.get_filesystem_class("s3")
    driver.clear_instance_cache()
    # Both the driver and the library below it would try again for seconds.
    monkeypatch.setattr(driver, "retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = Store(f"s3://{BUCKET}/{FOLDER}")
    with pytest.raises(StoreUnavailable):
        store.put_file("twin", tmp_path / "content")
    with pytest.raises(StoreUnavailable):
        store.fetch("twin", "0" * 64, tmp_path / "cache")
    with pytest.raises(StoreUnavailable):
        store.sweep("twin", lambda _: set(), written_before=datetime.now(UTC))
