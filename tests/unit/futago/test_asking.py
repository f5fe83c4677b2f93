"""Who is asked for the code of a second factor."""

import io

import pytest
import typer

from futago.commands import options


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_whoever_sits_at_the_terminal_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(typer, "prompt", lambda text, *, err: f"answer to {text!r}" if err else "")
    ask = options.asker()
    assert ask is not None
    assert ask() == "answer to 'Code of the second factor'"


def test_a_script_is_not_kept_waiting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert options.asker() is None
