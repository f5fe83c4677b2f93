"""Which processes make up the suite, and what each is told."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from futago.launcher import environment
from futago.launcher.certificate import TlsFiles
from futago.launcher.home import Home
from futago.launcher.keys import KeyFiles
from futago.launcher.ports import LOOPBACK, gateway_url
from futago.launcher.probes import http_probe
from futago.launcher.spec import ProcessSpec, StopStage
from futago.launcher.valkey import Valkey

DEMO_MODEL = "yield"
"""The model of a new suite; it answers where a request names none."""
SERVICES = ("twin", "anomaly", "planner")
WORKERS = ("anomaly", "planner")
PORTS_NEEDED = 1 + len(SERVICES) + len(WORKERS)
"""Ports on the loopback address: the embedded server, the services, and the workers' metrics."""
# A browser refuses plain HTTP on every port of a machine for as long as one of its answers said so.
_HSTS = {"GATEWAY_HSTS_MAX_AGE_S": "300", "GATEWAY_HSTS_INCLUDE_SUBDOMAINS": "false"}
WORKER_GRACE_S = 10.0
"""A job that takes longer than this to finish is stopped and started again at the next start of the suite."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything the processes have to be told.

    Parameters
    ----------
    outer
        The environment of the user who started the suite.
    ports
        `PORTS_NEEDED` free ports on the loopback address.
    tls
        What the gateway speaks TLS with; none for plain HTTP.
    """

    home: Home
    keys: KeyFiles
    host: str
    port: int
    ports: tuple[int, ...]
    outer: Mapping[str, str]
    valkey: Valkey
    tls: TlsFiles | None = None

    @property
    def url(self) -> str:
        """Where users find the suite."""
        return gateway_url(self.host, self.port, tls=self.tls is not None)

    @property
    def service_ports(self) -> dict[str, int]:
        """Where each service listens."""
        return dict(zip(SERVICES, self.ports[1:], strict=False))

    @property
    def worker_ports(self) -> dict[str, int]:
        """Where each worker shows its metrics."""
        return dict(zip(WORKERS, self.ports[1 + len(SERVICES) :], strict=True))

    def common(self) -> dict[str, str]:
        """Environment that all processes share."""
        return environment.common(self.outer, self.home, self.keys, self.valkey.url)

    def gateway_environment(self) -> dict[str, str]:
        """What the gateway is told: its door, its keys, and where the services are."""
        upstreams = {
            f"GATEWAY_{name.upper()}_URL": f"http://{LOOPBACK}:{port}" for name, port in self.service_ports.items()
        }
        return {
            **({} if self.tls is None else _HSTS),
            **self.common(),
            **upstreams,
            **self._tls_environment(),
            "GATEWAY_HOST": self.host,
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_ACCESS_KEY_FILE": str(self.keys.access),
            "GATEWAY_ACCESS_VERIFY_FILES": json.dumps([str(self.keys.access_public)]),
            "GATEWAY_IDENTITY_PRIVATE_KEY_FILE": str(self.keys.identity),
            "GATEWAY_AUDIT_KEY_FILE": str(self.keys.audit),
            "GATEWAY_SECOND_FACTOR_KEY_FILE": str(self.keys.second_factor),
        }

    def _tls_environment(self) -> dict[str, str]:
        if self.tls is None:
            return {}
        return {
            "GATEWAY_TLS_CERT_FILE": str(self.tls.certificate),
            "GATEWAY_TLS_KEY_FILE": str(self.tls.key),
        }


def storage(layout: Layout) -> ProcessSpec:
    """The embedded server; everything else needs it first."""
    return ProcessSpec(
        "valkey",
        layout.valkey.command(),
        environment.inherited(layout.outer),
        StopStage.STORAGE,
        layout.valkey.ready,
        layout.valkey.port,
    )


def suite(layout: Layout) -> tuple[ProcessSpec, ...]:
    """Gateway, services and workers."""
    return (
        _gateway(layout),
        *(_service(layout, name, port) for name, port in layout.service_ports.items()),
        *(_worker(layout, name, port) for name, port in layout.worker_ports.items()),
    )


def _gateway(layout: Layout) -> ProcessSpec:
    return ProcessSpec(
        "gateway",
        _module("services.gateway.app"),
        layout.gateway_environment(),
        StopStage.DOOR,
        http_probe(layout.port, "/readyz", layout.host, layout.tls.authority if layout.tls else None),
        layout.port,
    )


def _service(layout: Layout, name: str, port: int) -> ProcessSpec:
    defaults = {"TWIN_DEFAULT_MODEL": DEMO_MODEL} if name == "twin" else {}
    own = {f"{name.upper()}_HOST": LOOPBACK, f"{name.upper()}_PORT": str(port)}
    return ProcessSpec(
        name,
        _module(f"services.{name}.app"),
        defaults | layout.common() | own,
        StopStage.SERVICE,
        http_probe(port, "/readyz"),
        port,
    )


def _worker(layout: Layout, name: str, port: int) -> ProcessSpec:
    own = {
        f"{name.upper()}_HOST": LOOPBACK,
        f"{name.upper()}_PORT": str(port),
        # Also how one sees that it is up.
        f"{name.upper()}_ENABLE_MONITORING": "true",
        # What a worker publishes, it signs.
        f"{name.upper()}_SIGNING_KEY_FILE": str(layout.keys.signing),
    }
    return ProcessSpec(
        f"{name}-worker",
        _module(f"services.{name}.worker"),
        layout.common() | own,
        StopStage.WORKER,
        http_probe(port, "/healthz"),
        port,
        grace_s=WORKER_GRACE_S,
    )


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name)
