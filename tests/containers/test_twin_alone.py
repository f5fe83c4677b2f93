"""The twin's image on its own, hardened as an operator runs it: a mounted bundle, a volume of logs, leftovers."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.containers.conftest import PATIENCE_S, PROJECT, free_ports, run, wait_until
from tests.unit.twin.twin_service import GOOD, Bench

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]

KEY = "a key of sixteen characters"
HARDENED = ("--read-only", "--tmpfs", "/tmp:mode=1777", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
# `make twin-image` sets these two, and is otherwise the same.
ALONE = ("--env", "SERVICE=services.twin.standalone", "--env", "PORT=8000", "--env", f"TWIN_API_KEY={KEY}")
IMAGE = "futago-twin"


@pytest.fixture
def bench(tmp_path: Path, key_pair: Any, clock: Any) -> Bench:
    bench = Bench(tmp_path, key_pair, clock, "")
    bench.trust.enrol(bench.key().public_pem())
    return bench


@pytest.fixture
def volume() -> Iterator[str]:
    name = f"{PROJECT}-alone"
    run("docker", "volume", "rm", "--force", name)
    yield name
    run("docker", "volume", "rm", "--force", name)


def test_a_mounted_bundle_is_served_and_the_log_is_in_the_volume(bench: Bench, volume: str):
    name = f"{PROJECT}-alone"
    (port,) = free_ports(1)
    mounts = [f"{bench.bundle()}:/models/yield:ro", f"{bench.folder / 'trust'}:/trust:ro", f"{volume}:/var/log/futago"]
    given = [f"--volume={mount}" for mount in mounts] + [
        "--env=MODEL_PATH=/models/yield",
        f"--publish=127.0.0.1:{port}:8000",
    ]
    run("docker", "rm", "--force", name)
    run("docker", "run", "--detach", "--name", name, *HARDENED, *ALONE, *given, IMAGE)
    try:
        state = ("docker", "inspect", "--format", "{{.State.Health.Status}}", name)
        wait_until(lambda: run(*state).strip() == "healthy", PATIENCE_S, "the twin is healthy")
        url = f"http://127.0.0.1:{port}/predict"
        assert httpx.post(url, json=GOOD).status_code == 401
        result = httpx.post(url, json=GOOD, headers={"X-API-Key": KEY}).json()["result"]
        assert result["prediction_interval"]["lower"] < result["prediction"]
        lines = run("docker", "exec", name, "cat", "/var/log/futago/twin.log").splitlines()
        assert {json.loads(line)["service"] for line in lines} == {"twin"}
    finally:
        run("docker", "rm", "--force", name)


def test_without_a_bundle_that_it_trusts_the_container_ends_and_says_why(bench: Bench):
    mount = f"--volume={bench.bundle()}:/models:ro"
    for given, said in (((), "manifest.json"), ((mount,), "not trusted")):
        command = ["docker", "run", "--rm", *HARDENED, *ALONE, *given, IMAGE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, said in done.stderr) == (78, True), done.stderr


def test_what_a_killed_process_left_goes_after_a_day_although_the_root_is_read_only(volume: str):
    mount = f"--volume={volume}:/var/cache/futago"
    left = "cd /var/cache/futago && mkdir -p tmp/futago-old tmp/futago-new && touch -d '2 days ago' tmp/futago-old"
    run("docker", "run", "--rm", "--entrypoint", "sh", mount, IMAGE, "-c", left)
    # It ends at once, because it is told nothing else: by then the folder has been looked through.
    command = ["docker", "run", "--rm", *HARDENED, mount, "--env", "TMPDIR=/var/cache/futago/tmp", IMAGE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "find:" in done.stderr) == (78, False), done.stderr
    assert run("docker", "run", "--rm", "--entrypoint", "ls", mount, IMAGE, "/var/cache/futago/tmp") == "futago-new\n"
