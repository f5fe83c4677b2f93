"""The store: content by digest, nothing overwritten, nothing damaged believed."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from shared.store import Store, StoredFileDamaged, StoredFileMissing, StoreUnavailable, forget_unused

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


DAY = timedelta(days=1)


def put(store: Store, folder: Path, content: bytes) -> str:
    path = folder / "content"
    path.write_bytes(content)
    return store.put_file("twin", path)


def kept(store: Store, folder: Path, *digests: str) -> list[bool]:
    def is_kept(digest: str) -> bool:
        try:
            store.fetch("twin", digest, folder / uuid4().hex)
        except StoredFileMissing:
            return False
        return True

    return [is_kept(digest) for digest in digests]


def test_a_sweep_takes_what_is_old_and_not_referred_to(store: Store, tmp_path: Path):
    wanted, orphan = put(store, tmp_path, b"wanted"), put(store, tmp_path, b"orphan")
    later = datetime.now(UTC) + DAY
    asked: list[str] = []

    def known(digests: Sequence[str]) -> set[str]:
        asked.extend(digests)
        return {wanted}

    assert store.sweep("twin", known, written_before=later) == 1
    assert sorted(asked) == sorted([wanted, orphan])
    assert kept(store, tmp_path, wanted, orphan) == [True, False]


def test_a_sweep_leaves_what_was_put_lately(store: Store, tmp_path: Path):
    digest = put(store, tmp_path, b"on its way into the database")
    assert store.sweep("twin", lambda _: set(), written_before=datetime.now(UTC) - DAY) == 0
    assert kept(store, tmp_path, digest) == [True]


def test_a_file_that_is_put_again_while_a_sweep_asks_who_wants_it_stays(tmp_path: Path):
    store = Store(f"file://{tmp_path}/store")
    digest = put(store, tmp_path, b"comes back")
    (path,) = stored_files(tmp_path)
    os.utime(path, (0, 0))

    def nobody(_: Sequence[str]) -> set[str]:
        put(store, tmp_path, b"comes back")
        return set()

    assert store.sweep("twin", nobody, written_before=datetime.now(UTC) - DAY) == 0
    assert kept(store, tmp_path, digest) == [True]


def test_a_sweep_leaves_other_prefixes_alone_and_takes_what_dead_writers_left(tmp_path: Path):
    store = Store(f"file://{tmp_path}/store")
    staging = tmp_path / "store" / "twin" / ".incoming" / "0123"
    staging.parent.mkdir(parents=True)
    staging.write_bytes(b"half")
    (tmp_path / "content").write_bytes(b"other")
    store.put_file("scores", tmp_path / "content")
    assert store.sweep("twin", lambda _: set(), written_before=datetime.now(UTC) + DAY) == 0
    assert not staging.exists()
    assert len(stored_files(tmp_path)) == 1


def test_a_sweep_of_a_store_without_such_files_finds_none(store: Store):
    assert store.sweep("twin", lambda _: set(), written_before=datetime.now(UTC)) == 0


def test_a_cached_file_stays_for_as_long_as_somebody_fetches_it(store: Store, upload: Path, tmp_path: Path):
    cache = tmp_path / "cache"
    store.put_file("twin", upload)
    cached = store.fetch("twin", DIGEST, cache)
    os.utime(cached, (0, 0))
    store.fetch("twin", DIGEST, cache)
    yesterday = datetime.now(UTC) - DAY
    assert forget_unused(cache, used_before=yesterday) == 0
    os.utime(cached, (0, 0))
    assert forget_unused(cache, used_before=yesterday) == 1
    assert store.fetch("twin", DIGEST, cache).read_bytes() == CONTENT


def test_a_cache_that_was_never_used_is_empty(tmp_path: Path):
    assert forget_unused(tmp_path / "none", used_before=datetime.now(UTC)) == 0
