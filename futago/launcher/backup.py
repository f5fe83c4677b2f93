"""Everything a home keeps, in one file: made while the suite runs, and brought back where there is no suite.

What is copied first may be older than what is copied later, so the order matters. The embedded server comes first: a
job that the database knows and the server does not is queued again by itself. The store comes last: it only gains
files, so what the database names is there.
"""

import hashlib
import json
import os
import sqlite3
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from redis import Redis
from redis.exceptions import RedisError

from futago.launcher.errors import AlreadyRuns, LaunchError
from futago.launcher.home import Home
from futago.launcher.valkey import Valkey

FORMAT = 1
_MANIFEST = "manifest.json"
_COPY_BYTES = 1024 * 1024
_REWRITE = "auto-aof-rewrite-percentage"
_REWRITE_WAIT_S = 60.0


class BackupFailed(LaunchError):
    """The backup could not be made; there is no half of it."""


class BackupUnusable(LaunchError):
    """The file is no backup, is damaged, or was made by a later release."""


class HomeNotEmpty(LaunchError):
    """Something is kept already where the backup is to go."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a backup holds.

    Parameters
    ----------
    files, size_bytes
        How much of it there is.
    former
        Where the home that was there before lies now, if there was one.
    """

    made_at: datetime
    files: int
    size_bytes: int
    former: Path | None = None


def back_up(home: Home, target: Path, *, now: datetime, sleep: Callable[[float], None] = time.sleep) -> Content:
    """Write everything the home keeps to a file that only its owner can read.

    Parameters
    ----------
    target
        The file to make; it holds every key and password of the home.

    Raises
    ------
    BackupFailed
        If the home keeps nothing, something cannot be read, or the file is there already or cannot be written.
    """
    if not home.database.exists():
        raise BackupFailed(f"{home.root} keeps nothing yet: there is no {home.database.name} in it.")
    draft = target.with_name(f".{target.name}.unfinished")
    try:
        if target.exists():
            raise BackupFailed(f"{target} exists already.")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            content = _write(home, file, now, sleep)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except (OSError, sqlite3.Error, RedisError) as error:
        raise BackupFailed(f"{home.root} could not be backed up: {error}.") from error
    finally:
        draft.unlink(missing_ok=True)
    return content


def bring_back(home: Home, source: Path, *, replace: bool, now: datetime) -> Content:
    """Make a home out of a backup; nothing is changed before the whole backup has been read and found good.

    Parameters
    ----------
    replace
        Put a home that is there already aside, under a name with the time in it.

    Raises
    ------
    BackupUnusable
        If the file is not what was written.
    HomeNotEmpty
        If there is a home already, and it is not to be replaced.
    AlreadyRuns
        If a suite runs in it.
    """
    if (holder := home.holder()) is not None:
        raise AlreadyRuns(home.root, holder.pid, holder.url)
    occupied = home.root.exists() and any(home.root.iterdir())
    if occupied and not replace:
        raise HomeNotEmpty(f"{home.root} is not empty. Name another folder with --home, or rename it with --force.")
    draft = home.root.with_name(f".{home.root.name}.unfinished")
    try:
        draft.mkdir(parents=True, mode=0o700)
        content = _read(source, Home(draft))
        former = home.root.with_name(f"{home.root.name}.before-{now:%Y%m%dT%H%M%SZ}") if occupied else None
        if former is not None:
            home.root.rename(former)
        draft.replace(home.root)
    except FileExistsError:
        raise BackupUnusable(f"{draft} is left over from an interrupted restore: remove it first.") from None
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        _remove(draft)
        raise BackupUnusable(f"{source} cannot be restored: {error}.") from error
    except BackupUnusable:
        _remove(draft)
        raise
    return Content(content.made_at, content.files, content.size_bytes, former)


def _write(home: Home, file: IO[bytes], now: datetime, sleep: Callable[[float], None]) -> Content:
    digests: dict[str, str] = {}
    size_bytes = 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:

        def add(name: str, path: Path) -> None:
            nonlocal size_bytes
            try:
                source = path.open("rb")
            except FileNotFoundError:
                # Removed since it was listed, as withdrawn bundles are in the end.
                return
            with source, archive.open(name, "w", force_zip64=True) as copy:
                digests[name], size = _copy(source, copy)
            size_bytes += size

        with _settled(home, sleep):
            for path in _below(home.valkey / "appendonlydir"):
                add(_name(home, path), path)
        with TemporaryDirectory() as scratch:
            snapshot = Path(scratch) / "snapshot.db"
            _snapshot(home.database, snapshot)
            add(home.database.name, snapshot)
        for folder in (home.keys, home.trust, home.tls, home.store):
            for path in _below(folder):
                add(_name(home, path), path)
        for path in (home.credentials, home.demo_marker):
            if path.exists():
                add(_name(home, path), path)
        manifest = {"format": FORMAT, "made_at": now.astimezone(UTC).isoformat(), "sha256": digests}
        archive.writestr(_MANIFEST, json.dumps(manifest, indent=1))
    return Content(now, len(digests), size_bytes)


def _read(source: Path, home: Home) -> Content:
    with zipfile.ZipFile(source) as archive:
        manifest = json.loads(archive.read(_MANIFEST))
        if manifest["format"] != FORMAT:
            raise BackupUnusable(f"{source} was written by another release (format {manifest['format']}).")
        home.make_folders()
        size_bytes = 0
        for name, digest in manifest["sha256"].items():
            path = _inside(home, name)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with archive.open(name) as copy, os.fdopen(descriptor, "wb") as file:
                found, size = _copy(copy, file)
            if found != digest:
                raise BackupUnusable(f"{source} is damaged: {name} is not what was written.")
            size_bytes += size
    return Content(datetime.fromisoformat(manifest["made_at"]), len(manifest["sha256"]), size_bytes)


def _inside(home: Home, name: str) -> Path:
    parts = PurePosixPath(name).parts
    kept = {home.database.name, home.credentials.name, home.demo_marker.name}
    kept |= {path.name for path in (home.keys, home.trust, home.tls, home.store, home.valkey)}
    if not parts or parts[0] not in kept or ".." in parts:
        raise BackupUnusable(f"{name!r} does not belong in a home.")
    return home.root.joinpath(*parts)


@contextmanager
def _settled(home: Home, sleep: Callable[[float], None]) -> Iterator[None]:
    """Keep a running server from replacing its files while they are read; it goes on adding to them."""
    server = Valkey.configured(home.valkey)
    if server is None or home.holder() is None:
        yield
        return
    with Redis.from_url(server.url) as redis:
        before = redis.config_get(_REWRITE)[_REWRITE]
        redis.config_set(_REWRITE, "0")
        try:
            waited_s = 0.0
            while redis.info("persistence")["aof_rewrite_in_progress"]:
                if waited_s >= _REWRITE_WAIT_S:
                    raise BackupFailed("the embedded server keeps rewriting its files; try again later.")
                sleep(0.1)
                waited_s += 0.1
            yield
        finally:
            redis.config_set(_REWRITE, before)


def _snapshot(database: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
        # The copy is one file: what is in the log of the original is in it.
        copy.execute("PRAGMA journal_mode = DELETE")


def _copy(source: IO[bytes], target: IO[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while block := source.read(_COPY_BYTES):
        digest.update(block)
        target.write(block)
        size += len(block)
    return digest.hexdigest(), size


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _name(home: Home, path: Path) -> str:
    return path.relative_to(home.root).as_posix()


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    folder.rmdir()
