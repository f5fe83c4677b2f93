import errno
import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from shared.http.request_log import RequestLog
from shared.log import configure_logging, get_logger, log_crashes

HOLD = """
import sys
from pathlib import Path
from shared.log import configure_logging, get_logger
configure_logging(service="twin", level="info", folder=Path(sys.argv[1]))
get_logger("replica").info("first")
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_replicas_that_share_a_folder_write_to_a_file_each(tmp_path: Path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        configure_logging(service="twin", level="info", folder=tmp_path)
        get_logger("replica").info("second")
        first.communicate()
    logging.getLogger().handlers[-1].close()
    # Who comes once the first has ended goes on where it left off.
    configure_logging(service="twin", level="info", folder=tmp_path)
    get_logger("replica").info("third")
    events = {
        path.name: [json.loads(line)["event"] for line in path.read_text().splitlines()]
        for path in tmp_path.glob("*.log")
    }
    assert events == {"twin.log": ["first", "third"], "twin-2.log": ["second"]}


def test_a_file_system_without_locks_keeps_nobody_from_logging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_lock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_lock)
    configure_logging(service="twin", level="info", folder=tmp_path)
    get_logger("replica").info("first")
    assert json.loads((tmp_path / "twin.log").read_text())["event"] == "first"


def test_console_and_file_carry_the_same_json_line_with_the_requests_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    configure_logging(service="twin", level="info", folder=tmp_path / "logs")
    structlog.contextvars.bind_contextvars(request_id="r-1")
    get_logger("services.twin").info("model_loaded", model="yield", version="1")
    get_logger("services.twin").debug("too_quiet")
    logging.getLogger("third.party").warning("an old %s line", "printf")
    console = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    written = [json.loads(line) for line in (tmp_path / "logs" / "twin.log").read_text().splitlines()]
    for line in console + written:
        line.pop("timestamp")  # each handler takes its own
    assert console == written
    assert [line["event"] for line in console] == ["model_loaded", "an old printf line"]
    assert all(line["request_id"] == "r-1" and line["service"] == "twin" for line in console)
    assert console[0]["model"] == "yield"


async def test_request_lines_have_the_form_of_all_other_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    configure_logging(service="twin", level="info", folder=tmp_path / "logs")
    requests = RequestLog("twin")
    for status in (200, 404):
        requests.add(request_id="r-1", method="GET", path='/a"b', status=status, duration_s=0.0015)
    assert capsys.readouterr().out == ""
    requests.flush()
    structlog.contextvars.bind_contextvars(request_id="r-1")
    get_logger("shared.http").info("request", method="GET", path='/a"b', status=200, duration_ms=1.5)
    lines = [json.loads(line) for line in (tmp_path / "logs" / "twin.log").read_text().splitlines()]
    assert [line.pop("status") for line in lines] == [200, 404, 200]
    for line in lines:
        assert line.pop("timestamp").endswith("Z")
    assert lines[0] == lines[1] == lines[2]
    assert len(capsys.readouterr().out.splitlines()) == len(lines)


async def test_request_lines_are_not_kept_where_nobody_wants_them(capsys: pytest.CaptureFixture[str]):
    configure_logging(service="twin", level="warning", folder=None)
    requests = RequestLog("twin")
    requests.add(request_id="r-1", method="GET", path="/", status=200, duration_s=0.0)
    requests.flush()
    assert capsys.readouterr().out == ""


def test_a_stack_trace_shows_no_local_variable(capsys: pytest.CaptureFixture[str]):
    configure_logging(service="twin", level="info", folder=None)

    def fails(password: str) -> None:
        raise RuntimeError("no connection")

    try:
        fails("hunter2" + "x")
    except RuntimeError:
        get_logger("services.twin").exception("request_failed")
    line = json.loads(capsys.readouterr().out)
    assert "RuntimeError: no connection" in line["exception"]
    assert "hunter2x" not in json.dumps(line)


# What would forge a line of the log, or move the cursor of a terminal that shows it, if it were written as it is.
FORGED = 'ada"}\r\n{"event": "user.deleted", "level": "info"}\u2028\u0085\x1b[2K\x00'


def written(folder: Path) -> list[bytes]:
    return (folder / "twin.log").read_bytes().splitlines()


@pytest.mark.parametrize("field", ["user", "path", "detail"])
def test_a_value_with_line_ends_and_quotes_stays_within_its_field(tmp_path: Path, field: str):
    configure_logging(service="twin", level="info", folder=tmp_path)
    get_logger("test").warning("refused", **{field: FORGED})
    (line,) = written(tmp_path)
    assert json.loads(line)[field] == FORGED
    assert json.loads(line)["event"] == "refused"


def test_no_control_character_reaches_a_terminal_that_shows_the_log(tmp_path: Path):
    configure_logging(service="twin", level="info", folder=tmp_path)
    get_logger("test").warning("refused", user=FORGED)
    (line,) = written(tmp_path)
    assert line.isascii()
    assert not any(byte < 0x20 or byte == 0x7F for byte in line)


def test_an_error_text_with_line_ends_stays_within_its_line(tmp_path: Path):
    configure_logging(service="twin", level="info", folder=tmp_path)
    get_logger("test").error("failed", exc_info=ValueError(FORGED))
    (line,) = written(tmp_path)
    assert json.loads(line)["event"] == "failed"


def test_what_ends_a_process_or_a_thread_is_one_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    configure_logging(service="twin", level="info", folder=None)
    log_crashes()

    def fails() -> None:
        raise RuntimeError("no connection")

    thread = threading.Thread(target=fails, name="reader")
    thread.start()
    thread.join()
    try:
        fails()
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["thread_crashed", "process_crashed"]
    assert all("RuntimeError: no connection" in line["exception"] for line in lines)
    assert lines[0]["thread"] == "reader"
