"""What the images of `make images` bring along: a bill of materials, and the planner's search in compiled code."""

import json
import subprocess
from collections.abc import Iterator

import pytest
from numba.core.codegen import get_host_cpu_features

from services.planner.solver.compiled import has_baseline
from tests.containers.conftest import PATIENCE_S, PROJECT, run, wait_until

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]

IMAGES = [f"futago-{name}" for name in ("gateway", "twin", "anomaly", "anomaly-worker", "planner", "planner-worker")]
ALONE = ("docker", "run", "--rm", "--network", "none")
HEALTH = ("python", "-I", "-S", "/app/container/healthcheck.py")
_INSTALLED = """
import importlib.metadata, json
print(json.dumps([(each.name, each.version) for each in importlib.metadata.distributions()]))
"""
_PROCESSOR_S = """
import urllib.request
for line in urllib.request.urlopen("http://127.0.0.1:8113/metrics").read().decode().splitlines():
    if line.startswith("process_cpu_seconds_total"):
        print(line.split()[1])
"""


def same_spelling(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


@pytest.mark.parametrize("image", IMAGES)
def test_the_bill_of_materials_that_the_label_names_lists_every_package_of_the_image(image: str):
    file = run("docker", "image", "inspect", "--format", '{{index .Config.Labels "futago.sbom"}}', image).strip()
    bill = json.loads(run(*ALONE, image, "cat", file))
    installed = json.loads(run(*ALONE, image, "python", "-c", _INSTALLED))
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "futago"
    listed = {(same_spelling(each["name"]), each["version"]) for each in bill["components"]}
    assert listed == {(same_spelling(name), version) for name, version in installed if name != "futago"}


@pytest.fixture
def worker() -> Iterator[str]:
    """The planner's worker with nothing that it could have kept, fetched or asked."""
    name = f"{PROJECT}-first-start"
    rights = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")
    folders = ("--tmpfs", "/tmp:mode=1777", "--volume", "/var/cache/futago")
    away = {"DATABASE": "postgresql+psycopg://nobody@127.0.0.1/nothing", "REDIS": "redis://127.0.0.1"}
    settings = [f"--env=FUTAGO_{name}_URL={url}" for name, url in away.items()]
    run("docker", "run", "--detach", "--name", name, *rights, *folders, *settings, "futago-planner-worker")
    try:
        yield name
    finally:
        run("docker", "rm", "--force", "--volumes", name)


@pytest.mark.skipif(not has_baseline(get_host_cpu_features()), reason="images bring no code for this processor")
def test_the_planners_worker_starts_without_compiling_its_search(worker: str):
    def is_healthy() -> bool:
        return subprocess.run(["docker", "exec", worker, *HEALTH], capture_output=True, check=False).returncode == 0

    wait_until(is_healthy, PATIENCE_S, "the worker is healthy")
    # Compiling takes more than a minute of it. Unlike the time on the clock, it is the same on a busy machine.
    assert float(run("docker", "exec", worker, "python", "-c", _PROCESSOR_S)) < 20
