"""Reads a model bundle from disk into the one file that is uploaded."""

import io
import zipfile
from pathlib import Path

from futago.errors import FutagoError

FIRST_TIME = (1980, 1, 1, 0, 0, 0)
"""The oldest time a zip can hold: the same bundle gives the same bytes whenever it is packed."""


class BundleMissing(FutagoError):
    """There is no bundle at this path."""


def read_bundle(path: Path) -> tuple[str, bytes]:
    """Name and content of the zip to upload, packing a folder on the way.

    Raises
    ------
    BundleMissing
        If the path is neither a zip nor a folder with a manifest.
    """
    if path.is_file() and zipfile.is_zipfile(path):
        return path.name, path.read_bytes()
    if not (path / "manifest.json").is_file():
        raise BundleMissing(f"{path} is neither a zip nor a folder with a manifest.json")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(item for item in path.rglob("*") if item.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(path).as_posix(), FIRST_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return f"{path.name}.zip", packed.getvalue()
