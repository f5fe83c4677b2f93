import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from services.anomaly.adapters.table_files import Reading, read_labelled_files, read_table_file, write_table_file
from services.anomaly.domain.csv_table import Selection
from services.anomaly.domain.labelled_table import labelled_table
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.training_requests import Table

TEXT = "when;flow;note;anomaly;changepoint\n2026-04-01 00:00:00;1.5;ok;0;0\n2026-04-01 00:00:02;2.5;leak;1;1\n"
READING = Reading("when", Selection(left_out=("note",)))


@pytest.mark.parametrize("name", ["pump.csv", "pump.CSV", "pump.csv.gz"])
def test_a_csv_file_is_read_compressed_or_not(tmp_path: Path, name: str):
    data = TEXT.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    table = read_table_file(tmp_path / name, READING)
    assert table.columns == ("flow", "anomaly", "changepoint")
    assert table.rows[:, 0].tolist() == [1.5, 2.5]
    assert table.times is not None


def test_a_parquet_file_is_read_and_may_hold_columns_of_text_that_nobody_asked_for(tmp_path: Path):
    parquet.write_table(pa.table({"flow": [1.5, None], "note": ["a", "b"], "p": [1, 2]}), tmp_path / "pump.parquet")
    table = read_table_file(tmp_path / "pump.parquet", Reading(selection=Selection(left_out=("note",))))
    assert table.columns == ("flow", "p")
    np.testing.assert_array_equal(table.rows, [[1.5, 1.0], [np.nan, 2.0]])
    only = read_table_file(tmp_path / "pump.parquet", Reading(selection=Selection(only=("p",))))
    assert only.columns == ("p",)


def test_only_the_asked_columns_are_read(tmp_path: Path):
    (tmp_path / "pump.csv").write_text(TEXT)
    assert read_table_file(tmp_path / "pump.csv", Reading("when", Selection(only=("flow",)))).columns == ("flow",)


def test_a_japanese_file_is_read_in_its_encoding(tmp_path: Path):
    (tmp_path / "pump.csv").write_bytes("流量,圧力\n1,2\n".encode("cp932"))
    assert read_table_file(tmp_path / "pump.csv", Reading(encoding="cp932")).columns == ("流量", "圧力")
    with pytest.raises(RowsRefused, match="not written in utf-8-sig"):
        read_table_file(tmp_path / "pump.csv", Reading())


@pytest.mark.parametrize(
    ("name", "content", "reading", "reason"),
    [
        ("missing.csv", None, Reading(), "cannot be read"),
        ("pump.csv.gz", b"no gzip", Reading(), "cannot be read"),
        ("pump.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], Reading(), "cannot be read"),
        ("pump.csv", b"a,b\n1,x\n", Reading(), "pump.csv: the file cannot be used"),
        ("pump.csv", b"a,b\n1,2\n", Reading("when"), "there is no such time column"),
        ("pump.csv", b"a,b\n1,2\n", Reading(encoding="klingon"), "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes | None, reading: Reading, reason: str
):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RowsRefused, match=reason):
        read_table_file(tmp_path / name, reading)


def test_files_are_named_below_the_folder_they_share_and_those_without_labels_are_told(tmp_path: Path):
    for name in ("valve/0.csv", "other/1.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(TEXT)
    (tmp_path / "other" / "normal.csv").write_text("when;flow\n2026-04-01 00:00:00;1.5\n")
    paths = [tmp_path / name for name in ("valve/0.csv", "other/1.csv", "other/normal.csv")]
    tables, unlabelled = read_labelled_files(
        [*paths, paths[0]], label="anomaly", change_point="changepoint", reading=READING
    )
    assert [table.name for table in tables] == ["valve/0.csv", "other/1.csv"]
    assert unlabelled == ["other/normal.csv"]
    table = tables[0]
    assert table.columns == ("flow",)
    assert table.truth.tolist() == [0, 1]
    assert table.changed is not None
    assert table.changed.tolist() == [0, 1]
    assert table.times is not None
    assert np.diff(table.times).tolist() == [2_000_000]
    with pytest.raises(RowsRefused, match="no file has a column 'broken'"):
        read_labelled_files(paths, label="broken", change_point=None, reading=READING)


def test_rows_before_the_judged_ones_are_their_context():
    table = labelled_table(
        Table(("flow", "anomaly"), np.arange(8.0).reshape(4, 2) * [1, 0], None), "x", label="anomaly", change_point=None
    )
    judged = table.judged_from(3)
    assert judged.rows[:, 0].tolist() == [6.0]
    assert judged.context[:, 0].tolist() == [0.0, 2.0, 4.0]
    with pytest.raises(RowsRefused, match="none is left to judge"):
        table.judged_from(4)


def test_sensors_are_taken_by_name_and_in_order():
    table = labelled_table(
        Table(("a", "anomaly", "b"), np.array([[1.0, 0.0, 2.0]]), None), "x", label="anomaly", change_point=None
    )
    assert table.taking(["b", "a"]).rows.tolist() == [[2.0, 1.0]]
    with pytest.raises(RowsRefused, match="x lacks sensors"):
        table.taking(["a", "c"])


@pytest.mark.parametrize("value", [2.0, 0.5, np.nan])
def test_labels_are_zero_or_one(value: float):
    table = Table(("flow", "anomaly"), np.array([[1.0, 0.0], [1.0, value]]), None)
    with pytest.raises(RowsRefused, match="something else than labels"):
        labelled_table(table, "x", label="anomaly", change_point=None)


def test_a_table_of_labels_alone_is_refused():
    with pytest.raises(RowsRefused, match="no sensor"):
        labelled_table(Table(("anomaly",), np.zeros((3, 1)), None), "x", label="anomaly", change_point=None)


def test_a_table_is_written_as_it_is_read(tmp_path: Path):
    moments = tuple(datetime(2026, 4, 1, 0, 0, second, 250_000, UTC) for second in range(3))
    table = Table(
        ("time", "flow, in", "流量"), np.array([[1.0, 0.1, np.nan], [2.0, 1e-30, -3.0], [3.0, 1e29, 1 / 3]]), moments
    )
    column = write_table_file(tmp_path / "x.csv", table)
    assert column == "time_"
    read = read_table_file(tmp_path / "x.csv", Reading(column))
    assert (read.columns, read.times) == (table.columns, table.times)
    np.testing.assert_array_equal(read.rows, table.rows)
    assert write_table_file(tmp_path / "y.csv", Table(("a",), np.zeros((1, 1)), None)) is None
