"""Reading what loggers and spreadsheets really write."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from services.twin.packaging.csv_table import Column, columns_of
from services.twin.packaging.csv_text import CsvUnusable, read_csv


def columns(tmp_path: Path, content: str | bytes, encoding: str | None = None) -> list[Column]:
    path = tmp_path / "data.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return columns_of(read_csv(path, encoding))


def test_a_header_gives_names_and_units(tmp_path: Path):
    found = columns(tmp_path, "AT [°C],V[cm Hg],温度\uff3b℃\uff3d,PE (max)\n1,2,3,4\n")
    assert [(column.name, column.unit) for column in found] == [
        ("AT", "°C"),
        ("V", "cm Hg"),
        ("温度", "℃"),
        ("PE (max)", None),
    ]


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("a,b\n1.5,2\n", [1.5, 2.0]),
        ("a;b\n1,5;2\n", [1.5, 2.0]),
        ("a;b\n1.5;2\n", [1.5, 2.0]),
        ("a\tb\n1,5\t-2,25e1\n", [1.5, -22.5]),
        ('a,b\n"1,5",2\n', [1.5, 2.0]),
        ("a|b\r\n1.5|2\r\n\r\n", [1.5, 2.0]),
        ('"a","b"\n" 1.5 ","2"\n', [1.5, 2.0]),
        ("\na,b\n1.5,2,\n", [1.5, 2.0]),
    ],
)
def test_delimiter_and_decimal_sign_are_found(tmp_path: Path, content: str, values: list[float]):
    assert [column.numbers()[0] for column in columns(tmp_path, content)] == values


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
def test_japanese_is_read_in_every_encoding_it_is_written_in(tmp_path: Path, encoding: str):
    found = columns(tmp_path, "温度,圧力\n1,2\n".encode(encoding))
    assert [column.name for column in found] == ["温度", "圧力"]


def test_a_degree_sign_of_western_windows_is_not_taken_for_japanese(tmp_path: Path):
    assert columns(tmp_path, "Kühlung [°C],b\n1,2\n".encode("cp1252"))[0].header == "Kühlung [°C]"


def test_an_encoding_that_is_named_is_the_one_that_counts(tmp_path: Path):
    assert columns(tmp_path, "é,b\n1,2\n".encode("cp850"), "cp850")[0].name == "é"
    with pytest.raises(CsvUnusable, match="encoding"):
        columns(tmp_path, "é,b\n1,2\n".encode("cp850"), "ascii")


def test_a_packed_file_is_unpacked_whatever_it_is_called(tmp_path: Path):
    assert columns(tmp_path, gzip.compress(b"a,b\n1,2\n"))[1].numbers() == [2.0]
    with pytest.raises(CsvUnusable, match="cannot be read"):
        columns(tmp_path, gzip.compress(b"a,b\n1,2\n")[:-9])


def test_what_says_that_a_value_is_missing_is_no_text(tmp_path: Path):
    (column, _) = columns(tmp_path, "a,b\n1,1\n,1\nN/A,1\n-,1\ninf,1\n2\n")
    np.testing.assert_array_equal(column.numbers(), [1, np.nan, np.nan, np.nan, np.nan, 2])


def test_text_among_numbers_is_refused_with_its_row_and_column(tmp_path: Path):
    with pytest.raises(CsvUnusable, match=r"row 4, column 'b': 'n\.d\.' is not a number") as refusal:
        columns(tmp_path, "a,b [bar]\n1,2\n3,4\n5,n.d.\n")[1].numbers()
    assert refusal.value.facts == {"row": 4, "column": "b"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        ("a,b\n", "no rows"),
        ("1,2\n3,4\n", "must name the columns"),
        ("a,b,a [m]\n1,2,3\n", "the same name: a"),
        ("a,b\n1,5,2,5\n", "row 2 has 4 cells, the header has 2; if the comma is the decimal sign"),
        (b"a,b\n\x001,2\n", "no text file"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_reason(tmp_path: Path, content: str | bytes, reason: str):
    with pytest.raises(CsvUnusable, match=reason):
        columns(tmp_path, content)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path):
    with pytest.raises(CsvUnusable, match="No such file"):
        read_csv(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    "cell",
    [
        "2026-04-01 12:30:00",
        "2026-04-01T12:30:00Z",
        "2026/4/1 12:30",
        "2026年4月1日 12:30",
        "2026-04-01 21:30:00+09:00",
    ],
)
def test_dates_with_the_year_first_are_moments(tmp_path: Path, cell: str):
    (time, _) = columns(tmp_path, f"t,b\n{cell},1\n-,2\n")
    assert time.holds_moments
    np.testing.assert_array_equal(time.moments_s(), [1_775_046_600.0, np.nan])


def test_a_date_that_can_be_read_two_ways_is_not_guessed(tmp_path: Path):
    (time, _) = columns(tmp_path, "t,b\n03/04/2026,1\n")
    assert not time.holds_moments
    with pytest.raises(CsvUnusable, match="row 2, column 't'"):
        time.moments_s()
