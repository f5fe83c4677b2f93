"""Files kept by the SHA-256 of their content, on anything fsspec can reach: a folder, S3, an NFS mount.

A digest names one content for ever, so nothing is overwritten, two writers of one file cannot harm each other, and a
file read back is checked against its name.
"""

import hashlib
import importlib
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec

from shared.clock import Clock, SystemClock
from shared.errors import AppError, Kind

_CHUNK_BYTES = 1 << 20
# A copy this old is written again when it is wanted again: its age then says when that was, and `sweep` goes by it.
_WRITTEN_AGAIN_AFTER = timedelta(hours=1)
# What the drivers call the time of the last writing, in what they list: local, S3, GCS, memory.
_WRITTEN_AT = ("mtime", "LastModified", "updated", "created")
# Files that one question of `sweep` is about.
_ASKED_AT_ONCE = 500
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}(?:/[a-z0-9][a-z0-9_-]{0,31}){0,3}")


class StoredFileMissing(AppError):
    """The store holds no file of this digest."""

    kind, code = Kind.MISSING, "store.missing"


class StoredFileDamaged(AppError):
    """What the store returned is not what the digest names."""

    kind, code = Kind.UNAVAILABLE, "store.damaged"


class StoreUnavailable(AppError):
    """The store could not be reached, or refused."""

    kind, code = Kind.UNAVAILABLE, "store.unavailable"


class Store:
    """Content-addressed files under one URL.

    Parameters
    ----------
    url
        Any fsspec URL, such as `file:///var/lib/futago/store` or `s3://bucket/futago`.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        # A listing that is remembered would not know what other processes have put or swept since.
        self._files, self._root = fsspec.url_to_fs(url, use_listings_cache=False)
        self._refusals = _refusals_of(url)
        self._clock = clock or SystemClock()

    def put_file(self, prefix: str, path: Path) -> str:
        """Keep a copy of the file; returns its digest. One that was written within the hour is not written again.

        Raises
        ------
        StoreUnavailable
            If the store refuses.
        """
        digest, size_bytes = _digest_of(path)
        target = self._path(prefix, digest)
        # Written aside and renamed: a reader finds the whole file or none, whoever dies in between.
        staging = f"{self._root}/{prefix}/.incoming/{uuid.uuid4().hex}"
        try:
            # A copy of another size is the rest of a power cut, which a rename alone does not survive.
            if (
                self._files.exists(target)
                and self._files.size(target) == size_bytes
                and self._written_at(target) > self._clock.now() - _WRITTEN_AGAIN_AFTER
            ):
                return digest
            self._files.makedirs(f"{self._root}/{prefix}/.incoming", exist_ok=True)
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(path), staging)
            self._files.mv(staging, target)
        except self._refusals as error:
            raise StoreUnavailable(f"the store did not take the file: {error}") from error
        return digest

    def fetch(self, prefix: str, digest: str, cache_dir: Path) -> Path:
        """A local copy of the file, checked against its digest; kept in `cache_dir` for the next time.

        Raises
        ------
        StoredFileMissing
            If there is no such file.
        StoredFileDamaged
            If its content has another digest.
        StoreUnavailable
            If the store cannot be reached.
        """
        source = self._path(prefix, digest)
        cached = cache_dir / digest
        # One that is swept away at this moment is fetched like one that was never there.
        with suppress(FileNotFoundError):
            if _digest_of(cached)[0] == digest:
                cached.touch()
                return cached
        cache_dir.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=cache_dir, prefix=".fetch-")
        os.close(handle)
        temporary = Path(name)
        try:
            self._files.get_file(source, name)
            if _digest_of(temporary)[0] != digest:
                raise StoredFileDamaged(f"the store returned another content for {digest}", digest=digest)
            return temporary.rename(cached)
        except FileNotFoundError as error:
            raise StoredFileMissing(f"the store holds no file {digest}", digest=digest) from error
        except self._refusals as error:
            raise StoreUnavailable(f"the store did not return the file: {error}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def delete(self, prefix: str, digest: str) -> None:
        """Forget the file; forgetting one that is not there changes nothing."""
        try:
            self._files.rm_file(self._path(prefix, digest))
        except FileNotFoundError:
            return
        except self._refusals as error:
            raise StoreUnavailable(f"the store did not delete the file: {error}") from error

    def sweep(
        self, prefix: str, wanted: Callable[[Sequence[str]], AbstractSet[str]], *, written_before: datetime
    ) -> int:
        """Delete files that nobody refers to and that were last put here before a moment; returns how many.

        Whoever puts a file before writing down where it lies is safe for as long as that moment lies back.

        Parameters
        ----------
        wanted
            Which of some digests are referred to.

        Raises
        ------
        StoreUnavailable
            If the store cannot be reached; what was deleted by then stays deleted.
        """
        deleted = 0
        try:
            old = list(self._written_before(prefix, written_before))
            for start in range(0, len(old), _ASKED_AT_ONCE):
                digests = old[start : start + _ASKED_AT_ONCE]
                for digest in set(digests) - wanted(digests):
                    # Looked at again: it may have been put again while others were asked about.
                    with suppress(FileNotFoundError):
                        if self._written_at(self._path(prefix, digest)) < written_before:
                            self._files.rm_file(self._path(prefix, digest))
                            deleted += 1
            self._sweep_staging(prefix, written_before)
        except self._refusals as error:
            raise StoreUnavailable(f"the store could not be swept: {error}") from error
        return deleted

    def _written_before(self, prefix: str, moment: datetime) -> Iterator[str]:
        self._files.invalidate_cache()
        for path, written_at in self._listed(f"{self._root}/{prefix}"):
            digest = path.rpartition("/")[2]
            if _DIGEST.fullmatch(digest) and written_at < moment:
                yield digest

    def _sweep_staging(self, prefix: str, written_before: datetime) -> None:
        """Delete what writers that died in between have left."""
        for path, written_at in self._listed(f"{self._root}/{prefix}/.incoming"):
            if written_at < written_before:
                with suppress(FileNotFoundError):
                    self._files.rm_file(path)

    def _listed(self, folder: str) -> Iterator[tuple[str, datetime]]:
        """Every file below a folder, and when it was written."""
        try:
            infos: Mapping[str, Mapping[str, object]] = self._files.find(folder, detail=True)
        except FileNotFoundError:
            return
        for path, info in infos.items():
            # Most list it: asking for each file by itself would be a request a file.
            known = next((info[name] for name in _WRITTEN_AT if isinstance(info.get(name), datetime | float)), None)
            with suppress(FileNotFoundError):
                if known is None:
                    yield path, self._written_at(path)
                elif isinstance(known, datetime):
                    yield path, _aware(known)
                elif isinstance(known, float):
                    yield path, datetime.fromtimestamp(known, UTC)

    def _written_at(self, path: str) -> datetime:
        return _aware(self._files.modified(path))

    def _path(self, prefix: str, digest: str) -> str:
        if not _PREFIX.fullmatch(prefix) or not _DIGEST.fullmatch(digest):
            raise ValueError(f"{prefix!r} and {digest!r} do not name a stored file")
        return f"{self._root}/{prefix}/{digest[:2]}/{digest}"


def _refusals_of(url: str) -> tuple[type[Exception], ...]:
    """What a driver raises where its store is away or refuses: that of S3 lets its library's own errors through."""
    if not url.startswith(("s3:", "s3a:")):
        return (OSError,)
    # Installed only where a store is on S3.
    away: type[Exception] = importlib.import_module("botocore.exceptions").BotoCoreError
    return OSError, away


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _digest_of(path: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes


def forget_unused(cache_dir: Path, *, used_before: datetime) -> int:
    """Delete what `fetch` has kept in a folder, and nobody fetched since a moment; returns how many files."""
    deleted = 0
    for path in cache_dir.glob("*"):
        # Others sweep the same folder.
        with suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime < used_before.timestamp():
                path.unlink()
                deleted += 1
    return deleted
