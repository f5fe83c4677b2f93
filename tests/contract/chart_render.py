"""The chart as Helm renders it, and who may connect to whom in what it renders."""

import ipaddress
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "futago"
RELEASE, NAMESPACE = "plant", "futago"
SERVICES = {"gateway": 8080, "twin": 8101, "anomaly": 8102, "planner": 8103}
WORKERS = {"anomaly-worker": 8112, "planner-worker": 8113}
DIGEST = "sha256:" + "0" * 64
# Values that switch on all that can be.
EVERYTHING = (
    "monitoring.serviceMonitor=true,monitoring.rules=true,monitoring.dashboards=true,workerScaling.enabled=true,"
    "ingress.enabled=true,gatewayApi.enabled=true,gatewayApi.className=public,internalTls.secret=futago-inside,"
    "secrets.notify=futago-notify,secrets.authority=plant-ca,store.url=s3://plant/futago,store.credentials=plant-s3,"
    f"imagePullSecrets={{pull}},digests.gateway={DIGEST},registry=registry.example.com/plant/"
)
Manifest = dict[str, Any]


def helm() -> str:
    """The program, `HELM` or the one on the path; the test is left out where there is none."""
    program = os.environ.get("HELM") or shutil.which("helm")
    if program is None:
        pytest.skip("left out: needs helm 4 on the path, or its name in HELM")
    return program


def run_helm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it without the user's own settings, and without a cluster."""
    homes = {f"HELM_{name}_HOME": str(folder / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": os.devnull, **homes}
    return subprocess.run([helm(), *arguments], capture_output=True, text=True, check=False, env=environment)


def render(folder: Path, *options: str) -> list[Manifest]:
    """Every manifest of the release, hooks and tests included."""
    done = run_helm(folder, "template", RELEASE, str(CHART), "--namespace", NAMESPACE, *options)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] == kind]


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Component and template of every pod, whoever makes it."""
    for each in manifests:
        template = each if each["kind"] == "Pod" else each.get("spec", {}).get("template")
        if template and "containers" in template.get("spec", {}):
            yield template["metadata"]["labels"]["app.kubernetes.io/component"], template


@dataclass(frozen=True)
class Peer:
    """A pod of some namespace, or, with an address, something outside the cluster's pods."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE
    address: str | None = None
    port_names: Mapping[str, int] = field(default_factory=dict)


class Network:
    """What NetworkPolicies let through: a pod that one selects is closed but for what some policy lets through."""

    def __init__(self, manifests: list[Manifest]) -> None:
        self._policies = [each["spec"] for each in of_kind(manifests, "NetworkPolicy")]
        self.peers = {
            component: Peer(
                template["metadata"]["labels"],
                port_names={
                    port["name"]: port["containerPort"]
                    for container in template["spec"]["containers"]
                    for port in container.get("ports", [])
                },
            )
            for component, template in pods(manifests)
        }

    def lets(self, source: Peer, target: Peer, port: int) -> bool:
        """Whether a TCP connection comes about."""
        return self._allows(source, target, port, "egress", target) and self._allows(
            target, source, port, "ingress", target
        )

    def _allows(self, guarded: Peer, other: Peer, port: int, direction: str, target: Peer) -> bool:
        if guarded.address is not None or guarded.namespace != NAMESPACE:
            return True
        closed = [
            policy
            for policy in self._policies
            if direction.capitalize() in policy["policyTypes"] and _selects(policy["podSelector"], guarded.labels)
        ]
        if not closed:
            return True
        key = "from" if direction == "ingress" else "to"
        return any(
            any(_is(peer, other) for peer in rule[key]) and any(_port(each, target) == port for each in rule["ports"])
            for policy in closed
            for rule in policy.get(direction) or []
        )


def _selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def _is(peer: Manifest, other: Peer) -> bool:
    if "ipBlock" in peer:
        network = ipaddress.ip_network(peer["ipBlock"]["cidr"])
        return other.address is not None and ipaddress.ip_address(other.address) in network
    if other.address is not None:
        return False
    if "namespaceSelector" in peer:
        if not _selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.namespace}):
            return False
    elif other.namespace != NAMESPACE:
        return False
    return _selects(peer.get("podSelector", {}), other.labels)


def _port(port: Manifest, target: Peer) -> int | None:
    if port.get("protocol", "TCP") != "TCP":
        return None
    number = port["port"]
    return number if isinstance(number, int) else target.port_names.get(number)
