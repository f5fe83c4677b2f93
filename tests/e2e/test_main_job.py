"""What a new user does first, on the simulator and on real data."""

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import ROOT

pytestmark = pytest.mark.slow


def test_credentials_are_written_for_their_owner_alone(suite: Any):
    path = suite.home / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {"url", "username", "password", "api_key"} <= json.loads(path.read_text()).keys()


def test_the_start_says_what_to_open_and_three_commands_that_work(suite: Any):
    text = suite.output.read_text()
    assert suite.url in text
    assert str(suite.home / "credentials.json") in text
    assert "\x1b" not in text
    commands = [line.strip() for line in text.splitlines() if line.strip().startswith(("curl", "futago", ".venv"))]
    assert len(commands) >= 3


def test_the_demo_does_the_main_job_on_the_simulator(suite: Any):
    done = suite.command("demo", "--seconds", "2")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_demo_does_the_main_job_on_real_data(suite: Any, data: Path):
    done = suite.command("demo", "--data", str(data), "--seconds", "4")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_runs_as_it_stands(suite: Any, example: Path):
    command = [sys.executable, str(example), str(suite.home / "credentials.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_prediction_by_curl_with_an_api_key(suite: Any):
    key = json.loads((suite.home / "credentials.json").read_text())["api_key"]
    done = subprocess.run(
        ["curl", "-s", "-H", f"X-API-Key: {key}", "-H", "Content-Type: application/json",
         "-d", '{"temp": 360, "pressure": 6.0, "flow": 100}', f"{suite.url}/api/v1/twin/predict?model=yield&level=0.9"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert answer["model"] == "yield"
    interval = answer["prediction_interval"]
    assert interval["lower"] < answer["prediction"] < interval["upper"]
    assert interval["level"] == 0.9
    # The surface of the simulated reactor has its best there.
    assert answer["prediction"] == pytest.approx(85, abs=2)
    assert (answer["status"], answer["applicability"]["state"]) == ("ok", "in")


def test_faults_of_the_input_are_all_listed(suite: Any):
    key = json.loads((suite.home / "credentials.json").read_text())["api_key"]
    answer = httpx.post(
        f"{suite.url}/api/v1/twin/predict?model=yield",
        json={"temp": 9999, "pressure": "high", "colour": 1},
        headers={"X-API-Key": key},
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    named = {fault["feature"] for fault in answer.json()["errors"]}
    assert named == {"temp", "pressure", "colour", "flow"}


def test_nobody_gets_in_without_credentials(suite: Any):
    for path in ("twin/status", "anomaly/detectors", "planner/plans", "jobs", "alerts", "audit", "users"):
        answer = httpx.get(f"{suite.url}/api/v1/{path}")
        assert (path, answer.status_code) == (path, 401)


def test_a_services_own_port_does_not_let_anybody_in(suite: Any):
    ports = {process.name: process.port for process in suite.state().processes}
    key = json.loads((suite.home / "credentials.json").read_text())["api_key"]
    for service, path in (("twin", "twin/status"), ("anomaly", "anomaly/detectors"), ("planner", "planner/plans")):
        url = f"http://127.0.0.1:{ports[service]}/api/v1/{path}"
        assert httpx.get(url, headers={"X-API-Key": key}).status_code == 401
        assert httpx.get(url, headers={"X-Futago-Identity": "forged"}).status_code == 401


def test_one_document_describes_the_whole_suite(suite: Any):
    document = httpx.get(f"{suite.url}/openapi.json").json()
    for path in ("/api/v1/auth/login", "/api/v1/twin/predict", "/api/v1/anomaly/detectors", "/api/v1/planner/plans"):
        assert path in document["paths"]
    page = httpx.get(f"{suite.url}/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_every_access_is_in_the_audit_log_and_its_chain_holds(suite: Any):
    with suite.client() as client:
        client.predict({"temp": 350, "pressure": 5.0, "flow": 90}, model="yield")
        key = json.loads((suite.home / "credentials.json").read_text())["api_key"]
    headers = {"X-API-Key": key}
    entries = httpx.get(f"{suite.url}/api/v1/audit?limit=50", headers=headers).json()["items"]
    assert entries
    assert httpx.get(f"{suite.url}/api/v1/audit/verify", headers=headers).json()["intact"] is True
