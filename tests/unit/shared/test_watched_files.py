import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.watched_files import WatchedFiles


class Bench:
    """Two files whose contents are numbers, and a count of the looks that were in vain."""

    def __init__(self, folder: Path, clock: Any) -> None:
        self.paths = [folder / "first", folder / "second"]
        self.clock = clock
        self.faults = 0
        for path in self.paths:
            path.write_text("1")
        self.files = WatchedFiles(self.paths, self.sum, clock, self.fault)

    def sum(self, contents: Sequence[bytes]) -> int:
        return sum(int(content) for content in contents)

    def fault(self) -> None:
        self.faults += 1

    def replace(self, text: str) -> None:
        new = self.paths[1].with_suffix(".new")
        new.write_text(text)
        new.replace(self.paths[1])

    def later(self) -> int:
        self.clock.step(1.0)
        return self.files.current()


@pytest.fixture
def bench(tmp_path: Path, clock: Any) -> Bench:
    return Bench(tmp_path, clock)


def test_a_replaced_file_is_read_within_a_second(bench: Bench):
    assert bench.files.current() == 2
    bench.replace("7")
    bench.clock.step(0.9)
    assert bench.files.current() == 2
    bench.clock.step(0.2)
    assert bench.files.current() == 8


def test_a_file_that_stays_is_not_read_again(bench: Bench):
    # What it says changes, when it was written does not.
    stat = bench.paths[1].stat()
    bench.paths[1].write_text("9")
    os.utime(bench.paths[1], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (bench.later(), bench.faults) == (2, 0)


@pytest.mark.parametrize("spoil", ["broken", "gone"])
def test_a_file_of_no_use_changes_nothing_and_is_counted_until_it_is_mended(bench: Bench, spoil: str):
    if spoil == "gone":
        bench.paths[1].unlink()
    else:
        bench.replace("no number")
    assert [bench.later(), bench.later(), bench.faults] == [2, 2, 2]
    bench.replace("3")
    assert [bench.later(), bench.later(), bench.faults] == [4, 4, 2]


def test_a_link_that_points_elsewhere_is_a_replaced_file(bench: Bench, tmp_path: Path):
    # As a mounted secret of Kubernetes is replaced.
    for name, text in (("a", "10"), ("b", "20")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(text)
    data, path = tmp_path / "..data", tmp_path / "key"
    data.symlink_to(tmp_path / "a")
    path.symlink_to(data / "key")
    files = WatchedFiles([path], bench.sum, bench.clock)
    assert files.current() == 10
    moved = tmp_path / "..data_tmp"
    moved.symlink_to(tmp_path / "b")
    moved.replace(data)
    bench.clock.step(1.0)
    assert files.current() == 20


def test_without_a_first_value_there_is_nothing_to_go_on_with(tmp_path: Path, clock: Any):
    with pytest.raises(OSError, match="none"):
        WatchedFiles([tmp_path / "none"], lambda contents: contents, clock)
