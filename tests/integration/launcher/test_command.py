"""The command as a user types it, where it ends before any process is started."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from futago.launcher.home import Home
from futago.launcher.ports import free_ports, require_free


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def futago(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "futago", *arguments],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )


def test_a_taken_port_is_said_quickly_and_without_a_traceback(listener: socket.socket, tmp_path: Path):
    port = listener.getsockname()[1]
    began_s = time.monotonic()
    result = futago("up", FUTAGO_HOME=str(tmp_path / "home"), FUTAGO_PORT=str(port))
    assert result.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in result.stderr
    assert "FUTAGO_PORT=" in result.stderr
    assert "Traceback" not in result.stderr
    assert time.monotonic() - began_s < 10.0


def test_a_home_in_use_is_said_with_its_address(tmp_path: Path):
    home = Home(tmp_path)
    home.make_folders()
    with home.locked("http://127.0.0.1:8080"):
        result = futago("up", FUTAGO_HOME=str(tmp_path), FUTAGO_PORT=str(free_ports(1)[0]))
    assert result.returncode == 1
    assert f"already runs from {tmp_path} at http://127.0.0.1:8080" in result.stderr


@pytest.mark.parametrize("command", ["status", "down"])
def test_without_a_suite_there_is_nothing_to_show_or_stop(command: str, tmp_path: Path):
    result = futago(command, FUTAGO_HOME=str(tmp_path))
    assert (result.returncode, result.stderr) == (1, f"Futago does not run from {tmp_path}.\n")


def test_a_port_that_is_no_number_is_a_usage_error(tmp_path: Path):
    result = futago("up", FUTAGO_HOME=str(tmp_path), FUTAGO_PORT="http")
    assert result.returncode == 2
    assert "FUTAGO_PORT" in result.stderr or "--port" in result.stderr


def test_a_port_whose_server_has_just_left_is_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0]:
            pass
    require_free("127.0.0.1", port)


def test_free_ports_are_all_different():
    assert len(set(free_ports(20))) == 20
