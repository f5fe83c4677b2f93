"""A workbook is a zip: what is in it is judged before any of it is parsed."""

import contextlib
import io
import zipfile
import zlib
from typing import IO, Final
from xml.parsers import expat

from services.planner.workbook.errors import WorkbookTooLarge, WorkbookUnreadable

# The largest problem, 20,000 devices, makes a file of 1 MB that unpacks to 12 MB.
FILE_LIMIT_BYTES: Final = 10 * 1024**2
UNPACKED_LIMIT_BYTES: Final = 48 * 1024**2
PARTS_LIMIT: Final = 500
# Sheets of repeated text reach 40; a file made to fill the memory, 1,000.
RATIO_LIMIT: Final = 150
# Small parts may be as regular as they like.
RATIO_FROM_BYTES: Final = 1024**2

_OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FORMULA = b"<f"
_XML = (".xml", ".rels", ".vml")
_CHUNK_BYTES = 4096


class _FirstElement(Exception):
    """Nothing behind it can be a document type."""


def check_archive(content: bytes) -> bool:
    """Make sure that a file can be parsed safely, and tell whether there are formulas in it.

    Raises
    ------
    WorkbookUnreadable
        If it is no `.xlsx`, is encrypted, or has macros, links to other workbooks or XML with a document type.
    WorkbookTooLarge
        If it is larger, packed or unpacked, than any problem needs.
    """
    if len(content) > FILE_LIMIT_BYTES:
        raise WorkbookTooLarge(f"a workbook has {FILE_LIMIT_BYTES} bytes at most", limit_bytes=FILE_LIMIT_BYTES)
    if content.startswith(_OLD_EXCEL):
        raise WorkbookUnreadable("this is an .xls file or is protected by a password: save it as a plain .xlsx")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_parts(archive.infolist())
            _refuse_document_types(archive)
            sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
            return any(_FORMULA in archive.read(name) for name in sheets)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        expat.ExpatError,
    ) as error:
        raise WorkbookUnreadable("this is no .xlsx workbook, or a damaged one") from error


def _check_parts(parts: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > PARTS_LIMIT or unpacked > UNPACKED_LIMIT_BYTES:
        raise WorkbookTooLarge(
            f"the workbook unpacks to {len(parts)} parts of {unpacked} bytes, more than any problem needs",
            limit_bytes=UNPACKED_LIMIT_BYTES,
        )
    for part in parts:
        if part.file_size > RATIO_FROM_BYTES and part.file_size > RATIO_LIMIT * max(1, part.compress_size):
            raise WorkbookTooLarge(f"the part {part.filename!r} unpacks to far more than it holds", part=part.filename)
    names = {part.filename.lower() for part in parts}
    if "xl/workbook.xml" not in names:
        raise WorkbookUnreadable("this is no .xlsx workbook: save it as an .xlsx")
    if any(name.endswith("vbaproject.bin") for name in names):
        raise WorkbookUnreadable("the workbook has macros: save it as an .xlsx without them")
    if any(name.startswith("xl/externallinks/") for name in names):
        raise WorkbookUnreadable("the workbook has links to other workbooks: break them and save their values")


def _refuse_document_types(archive: zipfile.ZipFile) -> None:
    """Entities are declared there, and which parser reads the parts later depends on what else is installed."""
    for part in archive.infolist():
        if part.filename.lower().endswith(_XML):
            with archive.open(part) as file:
                _read_to_the_first_element(file)


def _read_to_the_first_element(file: IO[bytes]) -> None:
    def refuse(*_: object) -> None:
        raise WorkbookUnreadable("a part of the workbook declares a document type: save it anew as an .xlsx")

    def stop(*_: object) -> None:
        raise _FirstElement

    parser = expat.ParserCreate()
    # By exceptions, so that nothing behind is parsed, not even in the same chunk.
    parser.StartDoctypeDeclHandler, parser.StartElementHandler = refuse, stop
    with contextlib.suppress(_FirstElement):
        while chunk := file.read(_CHUNK_BYTES):
            parser.Parse(chunk)
