import io
from datetime import UTC, datetime

import numpy as np
import pytest

from services.anomaly.domain.csv_table import TableLimits, UploadTooLarge, read_csv
from services.anomaly.domain.rows import FAULT_LIMIT, RowsRefused
from services.anomaly.domain.training_requests import Table

LIMITS = TableLimits(rows=100, columns=10, values=200)


def read(text: str, time_column: str | None = None, limits: TableLimits = LIMITS) -> Table:
    return read_csv(io.StringIO(text, newline="\n"), limits, time_column=time_column)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_usual_dialects_are_read(delimiter: str, end: str):
    table = read(end.join([delimiter.join(line) for line in (["flow", "p"], ["1", "2.5"], ["-3e2", " 4 "])]) + end)
    assert table.columns == ("flow", "p")
    assert table.rows.tolist() == [[1.0, 2.5], [-300.0, 4.0]]
    assert table.times is None


def test_names_may_be_quoted_and_empty_lines_are_passed_over():
    assert read('"flow, in";p\n\n1;2\n').columns == ("flow, in", "p")


def test_time_column_leaves_the_readings():
    table = read("a;time;b\n1;2026-04-01 00:00:00;2\n3;2026-04-01T09:00:01+09:00;4\n", "time")
    assert table.columns == ("a", "b")
    assert table.rows.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert table.times == (datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 4, 1, 0, 0, 1, tzinfo=UTC))


def test_empty_cells_and_their_like_are_missing_readings():
    table = read("a,b\n1,\n,2\nNaN,NA\nnull, \n")
    assert table.rows[:2].tolist() == [
        [1.0, pytest.approx(np.nan, nan_ok=True)],
        [pytest.approx(np.nan, nan_ok=True), 2.0],
    ]
    assert np.isnan(table.rows[2:]).all()


@pytest.mark.parametrize("cell", ["x", "inf", "-Infinity", "1e31", "1_5", "none of it"])
def test_what_is_no_reading_is_refused_with_its_line(cell: str):
    with pytest.raises(RowsRefused) as refusal:
        read(f"a,b\n1,2\n1,{cell}\n")
    assert [fault.pointer for fault in refusal.value.faults] == ["/line/3/b"]


def test_header_alone_is_a_table_without_rows():
    assert read("a,b\n").rows.shape == (0, 2)


def test_faults_are_capped():
    with pytest.raises(RowsRefused, match="first") as refusal:
        read("a\n" + "x\n" * 90)
    assert len(refusal.value.faults) == FAULT_LIMIT


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (TableLimits(2, 10, 100), "a\n1\n2\n3\n"),
        (TableLimits(10, 1, 100), "a,b\n1,2\n"),
        (TableLimits(10, 10, 4), "a,b\n1,2\n1,2\n1,2\n"),
    ],
)
def test_table_over_a_limit_is_refused_and_one_at_the_limit_is_not(limits: TableLimits, text: str):
    with pytest.raises(UploadTooLarge):
        read(text, limits=limits)
    read(text, limits=TableLimits(limits.rows + 1, limits.columns + 1, limits.values + 2))


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_file_without_a_header_is_called_empty(text: str):
    with pytest.raises(RowsRefused, match="the file is empty"):
        read(text, time_column="t")
