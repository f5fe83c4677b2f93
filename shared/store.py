"""Files kept by the SHA-256 of their content, on anything fsspec can reach: a folder, S3, an NFS mount.

A digest names one content for ever, so nothing is overwritten, two writers of one file cannot harm each other, and a
file read back is checked against its name.
"""

import hashlib
import os
import re
import tempfile
import uuid
from pathlib import Path

import fsspec

from shared.errors import AppError, Kind

_CHUNK_BYTES = 1 << 20
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

    def __init__(self, url: str) -> None:
        self._files, self._root = fsspec.url_to_fs(url)

    def put_file(self, prefix: str, path: Path) -> str:
        """Keep a copy of the file; returns its digest. A file that is there already is not written again.

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
            if self._files.exists(target) and self._files.size(target) == size_bytes:
                return digest
            self._files.makedirs(f"{self._root}/{prefix}/.incoming", exist_ok=True)
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(path), staging)
            self._files.mv(staging, target)
        except OSError as error:
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
        if cached.is_file() and _digest_of(cached)[0] == digest:
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
        except OSError as error:
            raise StoreUnavailable(f"the store did not return the file: {error}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def delete(self, prefix: str, digest: str) -> None:
        """Forget the file; forgetting one that is not there changes nothing."""
        try:
            self._files.rm_file(self._path(prefix, digest))
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreUnavailable(f"the store did not delete the file: {error}") from error

    def _path(self, prefix: str, digest: str) -> str:
        if not _PREFIX.fullmatch(prefix) or not _DIGEST.fullmatch(digest):
            raise ValueError(f"{prefix!r} and {digest!r} do not name a stored file")
        return f"{self._root}/{prefix}/{digest[:2]}/{digest}"


def _digest_of(path: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes
