"""The chart's manifests as far as podman runs them, and what stands in for the rest of a cluster.

Podman is no Kubernetes. It knows no Services, so peers are found by the names of their pods; no Jobs, which become
pods; it gives a secret's files to everybody, so a folder of the host takes their place; and it turns HTTP probes into a
`curl` that the images do not have, so each becomes the health check of the image.
"""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.contract.chart_render import Manifest

HEALTH = {"exec": {"command": ["python", "-I", "-S", "/app/container/healthcheck.py"]}}
# The names of the chart's secrets, and the folders that `futago secrets` makes for them.
_SECRET = "futago-"


@dataclass(frozen=True)
class Podman:
    """Podman on a network of the test's own."""

    network: str

    def run(self, *arguments: str, stdin: str | None = None, timeout_s: float = 180) -> str:
        """The output of a command that must succeed."""
        done = subprocess.run(
            ["podman", *arguments], input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, f"podman {' '.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def play(self, manifests: Iterable[Manifest], folder: Path) -> Path:
        """Run manifests; returns the file that names them."""
        file = folder / f"play-{len(list(folder.glob('play-*')))}.yaml"
        file.write_text(yaml.safe_dump_all(list(manifests), sort_keys=False))
        self.run("play", "kube", "--network", self.network, str(file))
        return file

    def down(self, files: Iterable[Path]) -> None:
        """Stop what was played, and forget its volumes."""
        for file in reversed(list(files)):
            subprocess.run(["podman", "play", "kube", "--down", str(file)], capture_output=True, check=False)

    def succeeds(self, *arguments: str) -> bool:
        """Whether a command does."""
        return subprocess.run(["podman", *arguments], capture_output=True, check=False).returncode == 0

    def logs(self, container: str) -> str:
        """What a container has written, both ways."""
        done = subprocess.run(["podman", "logs", container], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def state(self, container: str) -> dict[str, Any]:
        """What podman says of the state of a container."""
        answer: list[dict[str, Any]] = yaml.safe_load(self.run("inspect", container))
        return answer[0]["State"]


def playable(manifest: Manifest, secrets: Path) -> Manifest:
    """The manifest with what podman cannot do replaced; a Job becomes a pod that runs once."""
    if manifest["kind"] == "Job":
        template = manifest["spec"]["template"]
        name = manifest["metadata"]["name"]
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], "name": name}}
        manifest["spec"] = {**template["spec"], "restartPolicy": "Never"}
    spec = manifest["spec"]["template"]["spec"] if manifest["kind"] == "Deployment" else manifest.get("spec", {})
    for volume in spec.get("volumes", []):
        if "secret" in volume:
            folder = secrets / volume.pop("secret")["secretName"].removeprefix(_SECRET)
            assert folder.is_dir(), f"futago secrets makes no {folder.name}"
            volume["hostPath"] = {"path": str(folder), "type": "Directory"}
    for container in spec.get("containers", []):
        container.pop("startupProbe", None)
        container.pop("readinessProbe", None)
        if "livenessProbe" in container:
            container["livenessProbe"] = {
                **HEALTH,
                "initialDelaySeconds": 5,
                "periodSeconds": 2,
                "failureThreshold": 60,
            }
    return manifest


def write_password(secrets: Path, password: str, owner: int) -> None:
    """The secret that the operator makes besides."""
    folder = secrets / "first-admin"
    folder.mkdir()
    file = folder / "password"
    file.write_text(password)
    for path in (file, folder):
        os.chown(path, owner, owner)
    file.chmod(0o400)
