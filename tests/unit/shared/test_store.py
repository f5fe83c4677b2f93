"""The store: content by digest, nothing overwritten, nothing damaged believed."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.store import Store, StoredFileDamaged, StoredFileMissing, StoreUnavailable

CONTENT = b"a bundle" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    path = tmp_path / "upload.zip"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(f"file://{tmp_path}/store" if request.param == "file" else f"memory://{tmp_path}/store")


def stored_files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_a_file_comes_back_by_its_digest(store: Store, upload: Path, tmp_path: Path):
    assert store.put_file("twin", upload) == DIGEST
    assert store.fetch("twin", DIGEST, tmp_path / "cache").read_bytes() == CONTENT


def test_prefixes_keep_files_apart(store: Store, upload: Path, tmp_path: Path):
    store.put_file("twin", upload)
    with pytest.raises(StoredFileMissing):
        store.fetch("anomaly", DIGEST, tmp_path / "cache")


def test_a_deleted_file_is_missing_and_deleting_it_again_is_nothing(store: Store, upload: Path, tmp_path: Path):
    store.put_file("twin", upload)
    store.delete("twin", DIGEST)
    store.delete("twin", DIGEST)
    with pytest.raises(StoredFileMissing):
        store.fetch("twin", DIGEST, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_fetched_file_is_taken_from_the_cache_the_next_time(store: Store, upload: Path, tmp_path: Path):
    store.put_file("twin", upload)
    store.fetch("twin", DIGEST, tmp_path / "cache")
    store.delete("twin", DIGEST)
    assert store.fetch("twin", DIGEST, tmp_path / "cache").read_bytes() == CONTENT


def test_a_damaged_cache_is_replaced(store: Store, upload: Path, tmp_path: Path):
    store.put_file("twin", upload)
    store.fetch("twin", DIGEST, tmp_path / "cache").write_bytes(b"damaged")
    assert store.fetch("twin", DIGEST, tmp_path / "cache").read_bytes() == CONTENT


def test_a_file_stored_before_is_not_written_again(upload: Path, tmp_path: Path):
    store = Store(f"file://{tmp_path}/store")
    store.put_file("twin", upload)
    (path,) = stored_files(tmp_path)
    before = path.stat()
    store.put_file("twin", upload)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_damaged_file_is_refused_and_not_cached(upload: Path, tmp_path: Path):
    store = Store(f"file://{tmp_path}/store")
    store.put_file("twin", upload)
    (path,) = stored_files(tmp_path)
    path.write_bytes(b"x" * len(CONTENT))
    with pytest.raises(StoredFileDamaged):
        store.fetch("twin", DIGEST, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_cut_short_is_written_again(upload: Path, tmp_path: Path):
    store = Store(f"file://{tmp_path}/store")
    store.put_file("twin", upload)
    (path,) = stored_files(tmp_path)
    path.write_bytes(CONTENT[:10])
    store.put_file("twin", upload)
    assert store.fetch("twin", DIGEST, tmp_path / "cache").read_bytes() == CONTENT


def test_writers_of_the_same_file_at_once_all_succeed(upload: Path, tmp_path: Path):
    store = Store(f"file://{tmp_path}/store")
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(lambda _: store.put_file("twin", upload), range(32)))
    assert set(digests) == {DIGEST}
    assert [path.name for path in stored_files(tmp_path)] == [DIGEST]


def test_a_store_that_refuses_says_so(upload: Path, tmp_path: Path):
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(StoreUnavailable):
        Store(f"file://{tmp_path}/store").put_file("twin", upload)


@pytest.mark.parametrize(
    ("prefix", "digest"), [("../x", DIGEST), ("", DIGEST), ("twin", "../../etc/passwd"), ("twin", "")]
)
def test_a_name_that_could_leave_the_store_is_a_bug(store: Store, prefix: str, digest: str):
    with pytest.raises(ValueError, match="do not name a stored file"):
        store.delete(prefix, digest)
