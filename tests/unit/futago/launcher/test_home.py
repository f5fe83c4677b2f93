"""The folder of a suite: modes and the lock."""

import os
from pathlib import Path

import pytest

from futago.launcher.errors import AlreadyRuns, HomeUnusable
from futago.launcher.home import Home, write_private


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make_folders()
    return home


def test_nobody_else_can_look_into_the_folders(home: Home):
    for folder in (home.root, home.keys, home.valkey, home.logs, home.run):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_made_is_a_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeUnusable, match="FUTAGO_HOME"):
        Home(tmp_path / "file" / "home").make_folders()


def test_a_home_in_which_nothing_can_be_written_is_a_sentence(home: Home):
    # As a folder of another user or a disk mounted for reading only, for which a test would need privileges.
    (home.run / "lock").mkdir()
    with pytest.raises(HomeUnusable, match="FUTAGO_HOME"), home.locked("http://127.0.0.1:8080"):
        pytest.fail("the home was locked")


def test_a_second_supervisor_learns_where_the_first_one_is(home: Home):
    with (
        home.locked("http://127.0.0.1:8080"),
        pytest.raises(AlreadyRuns, match=r"127\.0\.0\.1:8080 \(process \d+\)"),
        home.locked("http://127.0.0.1:9090"),
    ):
        pytest.fail("two supervisors hold one home")


def test_the_holder_is_known_while_it_holds_and_not_after(home: Home):
    with home.locked("http://127.0.0.1:8080"):
        holder = home.holder()
        assert holder is not None
        assert (holder.pid, holder.url) == (os.getpid(), "http://127.0.0.1:8080")
    assert home.holder() is None


def test_a_home_that_was_never_used_has_no_holder(tmp_path: Path):
    assert Home(tmp_path).holder() is None


def test_the_lock_can_be_taken_again_after_it_was_left(home: Home):
    for _ in range(2):
        with home.locked("http://127.0.0.1:8080"):
            pass


def test_a_private_file_replaces_an_open_one_with_its_own_mode(tmp_path: Path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]
