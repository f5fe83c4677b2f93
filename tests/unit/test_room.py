"""No test begins where there is no room for what the tests write."""

import shutil
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import ROOM_MIB, pytest_configure


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the disk says; full to begin with."""
    usage = SimpleNamespace(free=ROOM_MIB * 2**20 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    return usage


def test_a_full_disk_is_told_once_and_in_figures(free: Any):
    with pytest.raises(pytest.UsageError, match=f"has {ROOM_MIB - 1} MiB free; the tests need {ROOM_MIB}"):
        pytest_configure(SimpleNamespace())
    pytest_configure(SimpleNamespace(workerinput={}))


def test_enough_room_is_not_mentioned(free: Any):
    free.free += 1
    pytest_configure(SimpleNamespace())
