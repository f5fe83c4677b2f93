"""Compiled code that came along with the sources: for which processors it is, and when it is taken over."""

import os
from collections.abc import Callable
from pathlib import Path

import numba
import pytest
from numba.core.codegen import get_host_cpu_features

from services.planner.solver.compiled import entry_point, has_baseline, keep_compiled

HASWELL = (
    "+avx,+avx2,-avx512f,+bmi,+bmi2,+cmov,+cx16,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sahf,+sse,+sse2,+sse3,+sse4.1,+sse4.2,"
    "+ssse3,+xsave"
)


@pytest.fixture(autouse=True)
def _place_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", numba.config.CACHE_DIR)


@pytest.mark.parametrize(
    ("features", "runs"),
    [
        (HASWELL, True),
        (HASWELL.replace("-avx512f", "+avx512f"), True),
        (HASWELL.replace("+avx2", "-avx2"), False),
        (HASWELL.replace("+movbe,", ""), False),
        ("+neon,+aes,+fp-armv8", False),
        ("", False),
    ],
)
def test_a_processor_runs_shipped_code_only_with_every_feature_of_the_baseline(features: str, runs: bool):
    assert has_baseline(features) is runs


@pytest.mark.skipif(not has_baseline(get_host_cpu_features()), reason="this processor compiles for itself")
def test_code_is_compiled_for_the_baseline_and_not_for_this_processor():
    # What Numba compares before it takes code from a folder.
    assert function().targetctx.codegen().magic_tuple()[1:] == ("x86-64-v3", "")  # type: ignore[attr-defined]


def function() -> Callable[[int], int]:
    """A function that nobody has compiled yet."""

    def plus_one(number: int) -> int:
        return number + 1

    return entry_point(plus_one)


def hits(of: Callable[[int], int]) -> int:
    return sum(of.stats.cache_hits.values())  # type: ignore[attr-defined]


def test_shipped_code_of_the_same_sources_is_not_compiled_again(tmp_path: Path):
    built, here = function(), function()
    assert keep_compiled((built,), tmp_path / "image", tmp_path / "nothing")
    built(1)
    assert keep_compiled((here,), tmp_path / "cache", tmp_path / "image")
    assert here(1) == 2
    assert (hits(built), hits(here)) == (0, 1)


def test_shipped_code_of_other_sources_is_left_alone(tmp_path: Path):
    other = tmp_path / "image" / "0123456789abcdef"
    other.mkdir(parents=True)
    (other / "code").write_text("old")
    assert keep_compiled((), tmp_path / "cache", tmp_path / "image")
    assert list(tmp_path.glob("cache/**/code")) == []


def test_what_was_compiled_here_is_not_replaced_by_what_was_shipped(tmp_path: Path):
    assert keep_compiled((), tmp_path / "image", tmp_path / "nothing")
    assert keep_compiled((), tmp_path / "cache", tmp_path / "nothing")
    (shipped,) = (tmp_path / "image").iterdir()
    (shipped / "code").write_text("shipped")
    assert keep_compiled((), tmp_path / "cache", tmp_path / "image")
    assert list(tmp_path.glob("cache/**/code")) == []


def test_a_folder_that_anyone_may_write_to_gives_no_code(tmp_path: Path):
    assert keep_compiled((), tmp_path, tmp_path / "nothing")
    (place,) = tmp_path.iterdir()
    place.chmod(0o777)
    assert not keep_compiled((), tmp_path, tmp_path / "nothing")


def test_a_folder_of_another_user_gives_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert keep_compiled((), tmp_path, tmp_path / "nothing")
    another = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: another)
    assert not keep_compiled((), tmp_path, tmp_path / "nothing")


def test_no_half_copy_is_left_where_the_shipped_code_cannot_be_read(tmp_path: Path):
    assert keep_compiled((), tmp_path / "image", tmp_path / "nothing")
    (shipped,) = (tmp_path / "image").iterdir()
    (shipped / "code").symlink_to("away")
    assert not keep_compiled((), tmp_path / "cache", tmp_path / "image")
    assert list((tmp_path / "cache").iterdir()) == []
