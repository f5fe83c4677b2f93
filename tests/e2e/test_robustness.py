"""Processes die, supervisors die, ports are taken: what a user sees then."""

import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.e2e.conftest import Suite, wait_until

pytestmark = pytest.mark.slow

NAMES = {"valkey", "gateway", "twin", "anomaly", "planner", "anomaly-worker", "planner-worker"}


def test_status_names_every_process(suite: Suite):
    told = json.loads(suite.command("status", "--json").stdout)
    assert {process["name"] for process in told["processes"] if process["pid"]} == NAMES
    table = suite.command("status").stdout
    assert all(name in table for name in NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_killed_process_comes_back_and_the_suite_works_on(suite: Suite, name: str):
    before = suite.processes()[name]
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: suite.processes().get(name, before) != before, 20, f"{name} to come back")
    wait_until(suite.ready, 20, "the suite to be ready again")
    with suite.client() as client:
        answer = client.predict({"temp": 360, "pressure": 6.0, "flow": 100}, model="yield")
    assert answer["prediction"] == pytest.approx(85, abs=2)


def test_an_accepted_job_survives_its_worker(suite: Suite):
    devices = [{"id": f"A{n}", "type": "A", "previous_end": "2025-01-15"} for n in range(6)]
    problem = {
        "name": "survivor",
        "horizon": {"start": "2026-04-01", "end": "2027-03-31"},
        "calendar": {"weekend": ["sat", "sun"], "holidays": []},
        "areas": 2,
        "device_types": [{"type": "A", "inspection_days": 10, "class": "large"}],
        "devices": devices,
        "rules": [
            {"rule": "daily_limit", "level": "hard", "weight": 100, "max": 2},
            {"rule": "return_interval", "level": "soft", "weight": 1, "days": 900},
        ],
    }
    with suite.client() as client:
        job = client.plan(problem, termination={"seconds": 3})
        wait_until(lambda: client.job(job.id).state == "running", 20, "the job to start")
        os.kill(suite.processes()["planner-worker"], signal.SIGKILL)
        done = client.wait(job, timeout_s=90)
        assert done.state == "succeeded"
        assert done.attempt >= 2
        plan = client.get_plan(done.result["plan"])
    assert {assignment["device"] for assignment in plan["assignments"]} == {device["id"] for device in devices}


def test_a_second_suite_on_the_same_home_is_told_so(suite: Suite):
    done = suite.command("up", timeout_s=20)
    assert done.returncode != 0
    assert "already" in done.stderr
    assert suite.ready()


def test_a_taken_port_is_named(suite: Suite, tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = Suite(home=tmp_path / "home", port=port, output=tmp_path / "log")
        done = other.command("up", timeout_s=20)
    assert done.returncode != 0
    assert str(port) in done.stderr
    assert "FUTAGO_PORT" in done.stderr


def test_ctrl_c_stops_everything_and_the_second_start_has_its_models(suite: Suite):
    password = json.loads((suite.home / "credentials.json").read_text())["password"]
    code = suite.interrupt()
    wait_until(lambda: not suite.left_running(), 20, "every process to be gone")
    # The suite ends with 0; make itself, in the same terminal, dies of the signal.
    assert code in {0, -signal.SIGINT}
    assert "Error" not in suite.output.read_text()
    assert "demo models: done" in suite.output.read_text()
    suite.start()
    assert "demo models" not in suite.output.read_text()
    assert json.loads((suite.home / "credentials.json").read_text())["password"] == password
    with suite.client() as client:
        assert client.predict({"temp": 360, "pressure": 6.0, "flow": 100}, model="yield")["model"] == "yield"


def test_a_supervisor_killed_at_once_leaves_nothing_running(suite: Suite):
    os.kill(suite.state().supervisor_pid, signal.SIGKILL)
    wait_until(lambda: not suite.left_running(), 20, "every process to be gone")
    suite.start()
    assert suite.command("status").returncode == 0


def test_down_from_another_shell_stops_the_suite(suite: Suite):
    assert suite.make is not None
    done = suite.command("down")
    assert done.returncode == 0, done.stderr
    assert suite.make.wait(timeout=30) == 0
    wait_until(lambda: not suite.left_running(), 20, "every process to be gone")
    assert re.search(r"not run", suite.command("status").stderr)
