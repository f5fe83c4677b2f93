"""The health check of the images, asked as a container engine asks it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HEALTHCHECK = Path(__file__).parents[3] / "deploy" / "container" / "healthcheck.py"
Start = Callable[..., int]


def health(service: str, **environment: str) -> int:
    command = [sys.executable, "-I", "-S", str(HEALTHCHECK)]
    return subprocess.run(command, env={"SERVICE": service, **environment}, check=False).returncode


def test_a_process_that_answers_is_well_and_one_that_does_not_is_ill(start: Start):
    assert health("services.twin.app", PORT=str(start())) == 0
    assert health("services.twin.app", PORT=str(start(well=False))) == 1
    assert health("services.twin.app", PORT="1") == 1


@pytest.mark.parametrize("service", ["services.gateway.app", "services.twin.standalone", "services.planner.app"])
def test_a_process_that_speaks_tls_is_asked_over_tls(start: Start, service: str):
    variable = f"{service.split('.')[1].upper()}_TLS_CERT_FILE"
    assert health(service, PORT=str(start(tls=True)), **{variable: "/run/futago/tls/tls.crt"}) == 0


def test_a_worker_is_asked_over_plain_http_whatever_its_service_speaks(start: Start):
    assert health("services.planner.worker", PORT=str(start()), PLANNER_TLS_CERT_FILE="/run/futago/tls/tls.crt") == 0


def test_a_process_that_was_told_another_port_is_asked_there(start: Start):
    assert health("services.twin.app", PORT="1", TWIN_PORT=str(start())) == 0
