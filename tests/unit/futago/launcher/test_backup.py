"""Backup and restore of a home."""

import json
import sqlite3
import stat
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from futago.launcher.backup import BackupFailed, BackupUnusable, HomeNotEmpty, back_up, bring_back
from futago.launcher.errors import AlreadyRuns
from futago.launcher.home import Home
from futago.launcher.keys import make_keys

NOW = datetime(2026, 4, 1, 12, 30, tzinfo=UTC)
ROWS = 500


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that keeps something of each kind."""
    home = Home(tmp_path / "var")
    home.make_folders()
    make_keys(home)
    with closing(sqlite3.connect(home.database)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (n INTEGER)")
        database.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(ROWS)])
        database.commit()
    (home.store / "bundles" / "ab").mkdir(parents=True)
    (home.store / "bundles" / "ab" / "model.onnx").write_bytes(b"\x00weights" * 1000)
    (home.valkey / "appendonlydir").mkdir()
    (home.valkey / "appendonlydir" / "appendonly.aof.1.incr.aof").write_bytes(b"*1\r\n$4\r\nPING\r\n")
    home.credentials.write_text("{}")
    (home.cache / "big").write_bytes(b"can be made again")
    (home.logs / "twin.log").write_text("said")
    return home


@pytest.fixture
def file(home: Home, tmp_path: Path) -> Path:
    file = tmp_path / "backup.zip"
    back_up(home, file, now=NOW)
    return file


def kept(home: Home) -> dict[str, bytes]:
    """What a restored home must hold, the database apart."""
    folders = (home.keys, home.trust, home.store, home.valkey)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(home.root)): path.read_bytes() for path in [*files, home.credentials]}


def rows(home: Home) -> int:
    with closing(sqlite3.connect(home.database)) as database:
        return int(database.execute("SELECT count(*) FROM t").fetchone()[0])


def test_it_comes_back_as_it_was(home: Home, file: Path, tmp_path: Path):
    other = Home(tmp_path / "elsewhere")
    content = bring_back(other, file, replace=False, now=NOW)
    assert kept(other) == kept(home)
    assert rows(other) == ROWS
    assert content.made_at == NOW


def test_what_can_be_made_again_is_left_out(file: Path):
    with zipfile.ZipFile(file) as archive:
        assert not [name for name in archive.namelist() if name.startswith(("cache", "logs", "run"))]


def test_file_and_restored_home_are_their_owners_alone(file: Path, tmp_path: Path):
    other = Home(tmp_path / "elsewhere")
    bring_back(other, file, replace=False, now=NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(other.root.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in other.root.rglob("*") if path.is_file()} == {0o600}


def test_the_database_is_one_state_though_somebody_writes(home: Home, tmp_path: Path):
    with closing(sqlite3.connect(home.database)) as writer:
        writer.execute("INSERT INTO t VALUES (-1)")
        back_up(home, tmp_path / "busy.zip", now=NOW)
        writer.rollback()
    other = Home(tmp_path / "elsewhere")
    bring_back(other, tmp_path / "busy.zip", replace=False, now=NOW)
    assert rows(other) == ROWS


def test_a_home_that_keeps_nothing_is_no_backup(tmp_path: Path):
    with pytest.raises(BackupFailed, match="keeps nothing"):
        back_up(Home(tmp_path / "nothing"), tmp_path / "backup.zip", now=NOW)


def test_a_backup_is_never_written_over(home: Home, file: Path):
    before = file.read_bytes()
    with pytest.raises(BackupFailed, match="exists"):
        back_up(home, file, now=NOW)
    assert file.read_bytes() == before


def test_a_backup_that_fails_leaves_nothing(home: Home, tmp_path: Path):
    home.database.write_bytes(b"this is no database" * 100)
    with pytest.raises(BackupFailed):
        back_up(home, tmp_path / "backup.zip", now=NOW)
    assert {path.name for path in tmp_path.iterdir()} == {"var"}


def test_a_home_that_is_there_is_left_alone(home: Home, file: Path):
    before = kept(home)
    with pytest.raises(HomeNotEmpty, match="--force"):
        bring_back(home, file, replace=False, now=NOW)
    assert kept(home) == before


def test_a_home_that_is_to_be_replaced_is_put_aside(home: Home, file: Path):
    (home.root / "mine").write_text("x")
    content = bring_back(home, file, replace=True, now=NOW)
    assert not (home.root / "mine").exists()
    assert content.former == home.root.with_name("var.before-20260401T123000Z")
    assert (content.former / "mine").read_text() == "x"


def test_a_suite_that_runs_is_not_replaced(home: Home, file: Path):
    with home.locked("http://127.0.0.1:1"), pytest.raises(AlreadyRuns):
        bring_back(home, file, replace=True, now=NOW)


def rewritten(file: Path, change: dict[str, bytes]) -> Path:
    """The same backup with some of its files changed, and the sums of the old ones."""
    changed = file.with_name("changed.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, change.get(name, old.read(name)))
    return changed


def manifest(file: Path) -> dict[str, object]:
    with zipfile.ZipFile(file) as archive:
        return dict(json.loads(archive.read("manifest.json")))


def damaged(file: Path) -> Path:
    return rewritten(file, {"store/bundles/ab/model.onnx": b"other weights"})


def of_a_later_release(file: Path) -> Path:
    return rewritten(file, {"manifest.json": json.dumps(manifest(file) | {"format": 2}).encode()})


def climbing_out(file: Path) -> Path:
    return rewritten(file, {"manifest.json": json.dumps(manifest(file) | {"sha256": {"store/../../x": ""}}).encode()})


def with_a_stranger(file: Path) -> Path:
    return rewritten(file, {"manifest.json": json.dumps(manifest(file) | {"sha256": {"bin/x": ""}}).encode()})


def cut_short(file: Path) -> Path:
    file.write_bytes(file.read_bytes()[:-200])
    return file


@pytest.mark.parametrize("spoil", [damaged, of_a_later_release, climbing_out, with_a_stranger, cut_short])
def test_what_was_not_written_so_is_refused_before_anything_changes(
    home: Home, file: Path, spoil: Callable[[Path], Path], tmp_path: Path
):
    before = kept(home)
    with pytest.raises(BackupUnusable):
        bring_back(home, spoil(file), replace=True, now=NOW)
    assert kept(home) == before
    assert not [path for path in tmp_path.iterdir() if "unfinished" in path.name or "before" in path.name]
