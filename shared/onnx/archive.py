"""A bundle as one zip file: packed the same way every time, unpacked with limits on all that a zip can lie about."""

import io
import shutil
import stat
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shared.onnx.errors import BundleMalformed, BundleTooLarge
from shared.onnx.manifest import MANIFEST_NAME, MAX_FILES, check_path

# The earliest date a zip can hold: equal bundles pack to equal bytes, whenever they are packed.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_COPY_CHUNK_BYTES = 1 << 20
_ENCRYPTED_FLAG = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# What `zipfile` raises on damaged bytes: its own error, and whatever its parser and zlib stumble over.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, IndexError)


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """What an archive may grow to.

    Parameters
    ----------
    total_bytes
        Size of all files together, unpacked.
    entries
        Files and folders in the archive.
    ratio
        Unpacked over packed size of one entry [1]; deflate reaches 1032 on zeros, tree models stay under 60.
    ratio_free_bytes
        Entries up to this size may have any ratio.
    """

    total_bytes: int = 512 * 1024 * 1024
    entries: int = 2 * MAX_FILES
    ratio: int = 200
    ratio_free_bytes: int = 1024 * 1024


def pack(folder: Path, target: Path) -> Path:
    """Pack a bundle folder into a zip file; equal content gives equal bytes.

    The file appears complete or not at all. Nothing is checked here: that is for whoever opens the bundle.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".pack-", delete=False) as file:
        try:
            with zipfile.ZipFile(file, "w") as archive:
                for name in names:
                    entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    entry.external_attr = (stat.S_IFREG | 0o644) << 16
                    with (folder / name).open("rb") as source, archive.open(entry, "w", force_zip64=True) as packed:
                        shutil.copyfileobj(source, packed, _COPY_CHUNK_BYTES)
            return Path(file.name).rename(target)
        except BaseException:
            Path(file.name).unlink()
            raise


def unpack(archive: Path, into: Path, limits: UnpackLimits | None = None) -> Path:
    """Unpack a zip file into a new folder, which appears complete or not at all. Returns the folder.

    Raises
    ------
    BundleMalformed
        If it is no zip, or holds unsafe paths, links, encrypted or doubled entries.
    BundleTooLarge
        If a limit is passed; found from the directory of the archive, and again while writing.
    """
    limits = limits or UnpackLimits()
    staging = Path(tempfile.mkdtemp(dir=into.parent, prefix=".unpack-"))
    try:
        with _BoundedReads(io.FileIO(archive)) as file, zipfile.ZipFile(file) as source:
            entries = _checked_entries(source, limits)
            for entry in entries:
                target = staging / entry.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                _extract(source, entry, target)
        staging.chmod(0o755)
        return staging.rename(into)
    except _UNREADABLE as error:
        raise BundleMalformed(f"the upload is not a readable zip file: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


class _BoundedReads(io.BufferedReader):
    """Refuses a huge piece: the directory is the one part that `zipfile` reads, and turns into objects, as a whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _COPY_CHUNK_BYTES:
            raise BundleTooLarge("the directory of the archive is too large", limit_bytes=_COPY_CHUNK_BYTES)
        return super().read(size)


def _checked_entries(source: zipfile.ZipFile, limits: UnpackLimits) -> list[zipfile.ZipInfo]:
    entries = source.infolist()
    if len(entries) > limits.entries:
        raise BundleTooLarge("the archive has too many entries", limit=limits.entries)
    files = [entry for entry in entries if not entry.is_dir()]
    for entry in files:
        _check_entry(entry, limits)
    if sum(entry.file_size for entry in files) > limits.total_bytes:
        raise BundleTooLarge("the archive unpacks to too many bytes", limit_bytes=limits.total_bytes)
    if len({entry.filename.lower() for entry in files}) != len(files):
        raise BundleMalformed("the archive holds the same path twice")
    names = {entry.filename for entry in files}
    if any(str(parent) in names for name in names for parent in PurePosixPath(name).parents):
        raise BundleMalformed("a path of the archive is both a file and a folder")
    if MANIFEST_NAME not in names:
        raise BundleMalformed(f"the archive has no {MANIFEST_NAME} at its top")
    return files


def _check_entry(entry: zipfile.ZipInfo, limits: UnpackLimits) -> None:
    if entry.filename != MANIFEST_NAME:
        check_path(entry.filename)
    if entry.header_offset < 0:
        raise BundleMalformed(f"{entry.filename!r} lies outside the archive", path=entry.filename)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    # Zips made on Windows carry no file type.
    if kind not in {0, stat.S_IFREG}:
        raise BundleMalformed(f"{entry.filename!r} is not a plain file", path=entry.filename)
    if entry.flag_bits & _ENCRYPTED_FLAG or entry.compress_type not in _METHODS:
        raise BundleMalformed(f"{entry.filename!r} is encrypted or packed in an unknown way", path=entry.filename)
    if entry.file_size > max(limits.ratio_free_bytes, limits.ratio * entry.compress_size):
        raise BundleTooLarge(f"{entry.filename!r} is packed too tightly", path=entry.filename, limit_ratio=limits.ratio)


def _extract(source: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """Write one entry; the reader stops at the stated size, so a wrong statement shows as a checksum that is off."""
    with source.open(entry) as packed, target.open("xb") as file:
        shutil.copyfileobj(packed, file, _COPY_CHUNK_BYTES)
