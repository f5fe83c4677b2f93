"""The bytes of a CSV file as lines of cells: compression, encoding, delimiter and decimal sign are found, not assumed.

Loggers and spreadsheets of different countries write different files under the same ending. A guess that can be wrong
without a sign of it, such as which part of 03/04/2026 is the month, is not made.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.errors import JSON, AppError, Kind

LIMIT_BYTES = 512 * 1024 * 1024

_GZIP_MAGIC = b"\x1f\x8b"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_LINES = 200
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+(?:[eE][-+]?\d+)?\s*")
_DECIMAL_POINT = re.compile(r"\s*[-+]?\d*\.\d+(?:[eE][-+]?\d+)?\s*")
# Text in cp932 has characters of two bytes side by side; in cp1252 a letter with an accent or a degree sign stands
# alone between ASCII.
_BYTES_SIDE_BY_SIDE = re.compile(rb"[\x80-\xff]{2}")


class CsvUnusable(AppError):
    """The file cannot be read as a table of numbers; says where."""

    kind, code = Kind.INVALID, "twin.csv_unusable"


@dataclass(frozen=True, slots=True)
class CsvText:
    """The content of a CSV file, and how it was written.

    Parameters
    ----------
    header
        Cells of the first line that is not empty.
    lines
        Cells of every later line that is not empty, each as long as the header, with its line number in the file.
    """

    header: tuple[str, ...]
    lines: Sequence[tuple[int, list[str]]]
    encoding: str
    delimiter: str
    decimal_comma: bool


def read_csv(path: Path, encoding: str | None = None) -> CsvText:
    """Read a `.csv` or `.csv.gz` file.

    Parameters
    ----------
    encoding
        Such as `cp932`; found from the bytes unless given.

    Raises
    ------
    CsvUnusable
        If the file is missing, empty, too large or damaged, or its lines have different numbers of cells.
    """
    text, found = _decode(_read_bytes(path), encoding)
    if not text.strip():
        raise CsvUnusable(f"{path.name} is empty")
    delimiter = _delimiter(text)
    records = _records(text, delimiter)
    try:
        _, header = next(records)
        lines = [_fitting(number, cells, header, delimiter) for number, cells in records]
    except csv.Error as error:
        raise CsvUnusable(f"{path.name} is no CSV file: {error}") from error
    cells = [cell for _, line in lines[:_SAMPLE_LINES] for cell in line]
    commas, points = (sum(map(bool, map(form.fullmatch, cells))) for form in (_DECIMAL_COMMA, _DECIMAL_POINT))
    return CsvText(tuple(cell.strip() for cell in header), lines, found, delimiter, decimal_comma=commas > points == 0)


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        with gzip.open(path) if packed else path.open("rb") as source:
            data = source.read(LIMIT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise CsvUnusable(f"{path} cannot be read: {error}") from error
    if len(data) > LIMIT_BYTES:
        raise CsvUnusable(
            f"{path.name} is larger than {LIMIT_BYTES >> 20} MiB; train on a sample of its rows",
            limit_bytes=LIMIT_BYTES,
        )
    return data


def _decode(data: bytes, encoding: str | None) -> tuple[str, str]:
    """The text and its encoding; a byte order mark says it, UTF-8 proves itself, the rest is weighed."""
    if encoding is None and data.startswith(_UTF16_MARKS):
        encoding = "utf-16"
    legacy = ("cp932", "cp1252") if _BYTES_SIDE_BY_SIDE.search(data) else ("cp1252", "cp932")
    for name in ("utf-8-sig", *legacy) if encoding is None else (encoding,):
        try:
            text = data.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
        if "\x00" in text:
            raise CsvUnusable("the file holds zero bytes: it is no text file")
        return text, name
    tried: JSON = ["utf-8", "cp932", "cp1252"] if encoding is None else [encoding]
    raise CsvUnusable("the text encoding of the file is not known; name it with encoding", tried=tried)


def _delimiter(text: str) -> str:
    """The sign that cuts the header into the most cells; of several, the one that fits the next lines too."""
    lines = [line for line in text[: 1 << 20].splitlines() if line.strip()][:_SAMPLE_LINES]

    def fitting(delimiter: str) -> tuple[int, int]:
        widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter)]
        return (sum(width == widths[0] for width in widths) if widths[0] > 1 else 0), widths[0]

    return max(_DELIMITERS, key=fitting)


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    for cells in reader:
        if any(map(str.strip, cells)):
            yield reader.line_num, cells


def _fitting(number: int, cells: list[str], header: Sequence[str], delimiter: str) -> tuple[int, list[str]]:
    """A line as long as the header; missing cells at its end are empty."""
    if len(cells) > len(header) and any(map(str.strip, cells[len(header) :])):
        hint = "; if the comma is the decimal sign, save the file with ; between the cells" if delimiter == "," else ""
        raise CsvUnusable(
            f"row {number} has {len(cells)} cells, the header has {len(header)}{hint}", row=number, cells=len(cells)
        )
    return number, [*cells[: len(header)], *[""] * (len(header) - len(cells))]
