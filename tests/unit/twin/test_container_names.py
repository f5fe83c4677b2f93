"""The names that the original specification's container gives to a twin's settings."""

from pathlib import Path

import pytest

from services.twin.settings import StandaloneSettings


@pytest.fixture(autouse=True)
def _no_names(monkeypatch: pytest.MonkeyPatch):
    for name in ("TWIN_BUNDLE", "TWIN_LOG_LEVEL", "FUTAGO_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODEL_PATH", "/models/power")
    monkeypatch.setenv("LOG_LEVEL", "warning")


def test_they_count_where_nothing_else_is_said():
    settings = StandaloneSettings.load(None)
    assert (settings.bundle, settings.log_level) == (Path("/models/power"), "warning")


def test_our_own_names_win(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TWIN_BUNDLE", "/models/steam")
    monkeypatch.setenv("FUTAGO_LOG_LEVEL", "error")
    settings = StandaloneSettings.load(None)
    assert (settings.bundle, settings.log_level) == (Path("/models/steam"), "error")


def test_the_command_line_wins():
    assert StandaloneSettings.load(None, {"bundle": Path("/models/other")}).bundle == Path("/models/other")
