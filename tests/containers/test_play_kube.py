"""The chart's core in podman: tables, first administrator, every pod healthy, a prediction through the gateway.

Needs podman 4.3 or newer as root, helm, and the images of `make images` (their tag in `FUTAGO_TAG`), besides those of
Redis and PostgreSQL that `deploy/compose.yaml` names.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest

from futago import Client
from futago.deployment.secrets_folder import Addresses, SecretsFolder, make_secrets
from futago.launcher.demo_models import publish_yield_model
from futago.launcher.processes import DEMO_MODEL
from tests.containers.conftest import PATIENCE_S, free_ports, wait_until
from tests.containers.kube_pods import Podman, playable, write_password
from tests.contract.chart_render import Manifest, of_kind, render

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

OWNER = 10001
PASSWORD = "as long as it has to be"
SERVICES, WORKERS = ("gateway", "twin", "anomaly", "planner"), ("planner-worker",)
IMAGES = {"postgres": "postgres:17-alpine", "redis": "redis:7-alpine"}
ROW = {"temp": 360.0, "pressure": 6.0, "flow": 100.0}


@dataclass
class Release:
    """The chart in podman."""

    folder: Path
    podman: Podman
    port: int
    played: list[Path] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pod(self, component: str) -> str:
        return f"plant-futago-{component}-pod-0"

    def container(self, component: str) -> str:
        return f"{self.pod(component)}-{component}"

    def is_healthy(self, component: str) -> bool:
        # Podman leaves it to systemd to ask again and again, which a container or a lab may not have.
        return self.podman.succeeds("healthcheck", "run", self.container(component))

    def manifests(self) -> list[Manifest]:
        """The chart with its values for a place without Services."""
        peers = {"TWIN": ("twin", 8101), "ANOMALY": ("anomaly", 8102), "PLANNER": ("planner", 8103)}
        values = [
            f"environment.GATEWAY_{name}_URL=http://{self.pod(pod)}:{port}" for name, (pod, port) in peers.items()
        ]
        values += [f"{each}.autoscaling.enabled=false,{each}.replicas=1" for each in SERVICES]
        values += ["registry=localhost/", f"tag={os.environ.get('FUTAGO_TAG', 'latest')}", "drainSeconds=2"]
        return render(self.folder, "--set", ",".join(values))

    def core(self, manifests: list[Manifest]) -> list[Manifest]:
        """The deployments but that of the anomaly worker, whose image is three times as large as any other."""
        wanted = {f"plant-futago-{component}" for component in (*SERVICES, *WORKERS)}
        return [each for each in of_kind(manifests, "Deployment") if each["metadata"]["name"] in wanted]

    def play(self, manifests: list[Manifest]) -> None:
        ready = [playable(each, self.folder / "secrets") for each in manifests]
        for each in ready:
            if each["metadata"]["name"].endswith("-gateway") and each["kind"] == "Deployment":
                (container,) = each["spec"]["template"]["spec"]["containers"]
                container["ports"][0] |= {"hostPort": self.port, "hostIP": "127.0.0.1"}
        self.played.append(self.podman.play(ready, self.folder))

    def run_once(self, job: str, manifests: list[Manifest]) -> None:
        """Run a job of the chart to its end."""
        (found,) = [each for each in of_kind(manifests, "Job") if each["metadata"]["name"].endswith(job)]
        settings = of_kind(manifests, "ConfigMap")[:1] if "envFrom" in str(found) else []
        self.play([*settings, found])
        container = f"plant-futago-{job}-{job}"
        wait_until(lambda: self.podman.state(container)["Status"] == "exited", PATIENCE_S, f"{job} has ended")
        assert self.podman.state(container)["ExitCode"] == 0, self.podman.logs(container)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("left out: needs podman, as root")
    folder = tmp_path_factory.mktemp("kube")
    name = f"futago-kube-{os.getpid()}"
    (port,) = free_ports(1)
    release = Release(folder, Podman(name), port)
    place = SecretsFolder(folder / "secrets")
    make_secrets(place, Addresses(), owner=OWNER)
    write_password(place.root, PASSWORD, OWNER)
    podman, postgres, redis = release.podman, f"{name}-postgres", f"{name}-redis"
    podman.run("network", "create", name)
    try:
        for container, alias in ((postgres, "postgres"), (redis, "redis")):
            mounted = ["--volume", f"{place.root / 'passwords'}:/run/secrets:ro"]
            told = [f"--env=POSTGRES_{key}=futago" for key in ("USER", "DB")]
            told += [
                "--env=POSTGRES_PASSWORD_FILE=/run/secrets/postgres",
                "--env=PGDATA=/var/lib/postgresql/data/pgdata",
            ]
            command = ["redis-server", "/run/secrets/redis.conf", "--bind", "0.0.0.0"] if alias == "redis" else []
            image = f"localhost/{IMAGES[alias]}"
            network = ["--network", f"{name}:alias={alias}"]
            podman.run("run", "--detach", "--rm", "--name", container, *network, *mounted, *told, image, *command)
        wait_until(
            lambda: "accepting" in _try(podman, "exec", postgres, "pg_isready"), PATIENCE_S, "PostgreSQL answers"
        )
        yield release
    finally:
        if os.environ.get("FUTAGO_LAB_KEEP") != "1":
            podman.down(release.played)
            for each in (postgres, redis):
                _try(podman, "rm", "--force", each)
            _try(podman, "volume", "rm", "--force", "plant-futago-store")
            _try(podman, "network", "rm", "--force", name)


def _try(podman: Podman, *arguments: str) -> str:
    try:
        return podman.run(*arguments)
    except AssertionError:
        return ""


def test_the_core_comes_up_and_predicts(release: Release, monkeypatch: pytest.MonkeyPatch):
    manifests = release.manifests()
    # In the order of Helm's hooks.
    release.run_once("migrate", manifests)
    settings = [each for each in of_kind(manifests, "ConfigMap") if each["metadata"]["name"] == "plant-futago"]
    release.play([*settings, *of_kind(manifests, "PersistentVolumeClaim"), *release.core(manifests)])
    for component in SERVICES:
        wait_until(partial(release.is_healthy, component), PATIENCE_S, f"{component} is healthy")
    release.run_once("first-admin", manifests)
    assert httpx.get(f"{release.url}/readyz").json()["status"] == "ready"
    assert PASSWORD not in release.podman.logs("plant-futago-first-admin-first-admin")

    home = release.folder / "home"
    (home / "keys").mkdir(parents=True)
    shutil.copy(release.folder / "secrets" / "signing" / "signing.pem", home / "keys" / "signing.pem")
    monkeypatch.setenv("FUTAGO_HOME", str(home))
    with Client(release.url, "admin", PASSWORD) as client:
        publish_yield_model(client)
        prediction = client.predict(ROW, DEMO_MODEL)
    interval = prediction["prediction_interval"]
    assert interval["lower"] < prediction["prediction"] < interval["upper"]


def test_a_worker_says_whether_its_loop_goes_round(release: Release):
    wait_until(partial(release.is_healthy, "planner-worker"), PATIENCE_S, "the planner's worker is healthy")
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8113/healthz').read().decode())"
    assert '"alive"' in release.podman.run("exec", release.container("planner-worker"), "python", "-c", ask)


def test_a_pod_drains_and_ends_by_itself(release: Release):
    for component in ("gateway", "planner-worker"):
        container = release.container(component)
        began_s = time.monotonic()
        release.podman.run("stop", "--time", "60", container)
        assert 1 < time.monotonic() - began_s < 50
        assert release.podman.state(container)["ExitCode"] == 0, component
