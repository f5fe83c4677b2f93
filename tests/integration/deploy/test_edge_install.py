"""How the installer of an edge box finds out whether what it started answers, whatever its settings are."""

import inspect
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from futago.cli import up
from services.twin.settings import StandaloneSettings

INSTALL = (Path(__file__).parents[3] / "deploy" / "edge" / "install.sh").read_text(encoding="utf-8")
# Its question alone: the rest needs root and systemd.
QUESTION = INSTALL[INSTALL.index("# What systemd makes of") : INSTALL.index("# The new release may take its time")]
Start = Callable[..., int]


def answers(folder: Path, kind: str, *lines: str) -> bool:
    (folder / f"{kind}.env").write_text("\n".join(["# Settings of this box.", *lines, ""]), encoding="utf-8")
    told = f"settings={shlex.quote(str(folder))} python={shlex.quote(sys.executable)} kind={kind}"
    return subprocess.run(["sh", "-eu", "-c", f"{told}\n{QUESTION}\nanswers"], check=False).returncode == 0


@pytest.mark.parametrize(
    ("tls", "lines"),
    [
        (True, ["FUTAGO_HOST=0.0.0.0", "FUTAGO_TLS=1"]),
        (False, ["FUTAGO_HOST=0.0.0.0", "FUTAGO_TLS=0"]),
        (False, ["FUTAGO_HOST=127.0.0.1", "FUTAGO_TLS=n"]),
        (False, ["FUTAGO_HOST=127.0.0.1"]),
    ],
)
def test_a_suite_is_asked_as_its_settings_say(start: Start, tmp_path: Path, tls: bool, lines: list[str]):
    assert answers(tmp_path, "suite", *lines, f"FUTAGO_PORT={start(tls=tls)}")


@pytest.mark.parametrize(
    ("tls", "lines"), [(False, ["TWIN_HOST=0.0.0.0"]), (True, ["TWIN_TLS_CERT_FILE=/etc/futago/tls/fullchain.pem"])]
)
def test_a_twin_is_asked_as_its_settings_say(start: Start, tmp_path: Path, tls: bool, lines: list[str]):
    assert answers(tmp_path, "twin", *lines, f"TWIN_PORT={start(tls=tls)}")


@pytest.mark.parametrize("line", ['TWIN_PORT="{}"', "TWIN_PORT='{}'", "  TWIN_PORT={}  ", "TWIN_PORT=1\nTWIN_PORT={}"])
def test_settings_are_read_as_systemd_reads_them(start: Start, tmp_path: Path, line: str):
    assert answers(tmp_path, "twin", 'TWIN_HOST="0.0.0.0"', "TWIN_TLS_CERT_FILE=''", line.format(start()))


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("TWIN_PORT", StandaloneSettings.model_fields["port"].default),
        ("FUTAGO_PORT", inspect.signature(up).parameters["port"].default),
    ],
)
def test_a_port_that_is_not_told_is_the_default(name: str, default: int):
    assert f"$(setting {name} {default})" in QUESTION


def test_a_port_that_is_none_is_no_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    assert not answers(tmp_path, "twin", "TWIN_PORT=http")
    assert capfd.readouterr().err == ""


def test_what_is_ill_or_away_does_not_answer(start: Start, tmp_path: Path):
    assert not answers(tmp_path, "twin", f"TWIN_PORT={start(well=False)}")
    assert not answers(tmp_path, "twin", "TWIN_PORT=1")
    assert not answers(tmp_path, "suite", "FUTAGO_TLS=1", "FUTAGO_PORT=1")


def test_a_proxy_for_the_way_out_is_not_asked(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert answers(tmp_path, "twin", f"TWIN_PORT={start()}")
