import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from shared.log import configure_logging, get_logger


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
