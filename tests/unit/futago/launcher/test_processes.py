"""Which processes make up the suite, and what each is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from futago.launcher import bootstrap, processes
from futago.launcher.certificate import make_certificate
from futago.launcher.home import Home
from futago.launcher.keys import KeyFiles
from futago.launcher.processes import Layout, storage, suite
from futago.launcher.spec import ProcessSpec, StopStage
from futago.launcher.valkey import Valkey

KEYS = KeyFiles(
    *(
        Path(f"/h/keys/{name}")
        for name in ("access", "access.pub", "identity", "identity.pub", "signing", "second", "audit")
    )
)


def layout(folder: Path, **outer: str) -> Layout:
    ports = tuple(range(7001, 7001 + processes.PORTS_NEEDED))
    return Layout(Home(Path("/h")), KEYS, "127.0.0.1", 8080, ports, outer, Valkey(folder, ports[0]))


@pytest.fixture
def specs(tmp_path: Path) -> dict[str, ProcessSpec]:
    return {spec.name: spec for spec in suite(layout(tmp_path))}


def test_the_suite_is_a_gateway_three_services_and_two_workers(specs: dict[str, ProcessSpec]):
    modules = {name: spec.command[-1] for name, spec in specs.items()}
    assert modules == {
        "gateway": "services.gateway.app",
        "twin": "services.twin.app",
        "anomaly": "services.anomaly.app",
        "planner": "services.planner.app",
        "anomaly-worker": "services.anomaly.worker",
        "planner-worker": "services.planner.worker",
    }


def test_every_process_has_a_port_of_its_own(specs: dict[str, ProcessSpec], tmp_path: Path):
    ports = [spec.port for spec in (*specs.values(), storage(layout(tmp_path)))]
    assert len(set(ports)) == 7


def test_the_gateway_is_told_where_the_services_really_are(specs: dict[str, ProcessSpec]):
    told = specs["gateway"].environment
    for name in ("twin", "anomaly", "planner"):
        assert told[f"GATEWAY_{name.upper()}_URL"] == f"http://127.0.0.1:{specs[name].port}"
        assert specs[name].environment[f"{name.upper()}_PORT"] == str(specs[name].port)


def test_the_keys_of_tokens_are_told_to_the_gateway_alone(specs: dict[str, ProcessSpec]):
    private = {"/h/keys/access", "/h/keys/identity"}
    assert {name for name, spec in specs.items() if private & set(spec.environment.values())} == {"gateway"}


def test_the_key_that_signs_bundles_is_told_to_workers_alone(specs: dict[str, ProcessSpec]):
    told = {name for name, spec in specs.items() if "/h/keys/signing" in spec.environment.values()}
    assert told == {"anomaly-worker", "planner-worker"}


def test_a_user_may_name_another_default_model(tmp_path: Path):
    twin = next(spec for spec in suite(layout(tmp_path, TWIN_DEFAULT_MODEL="mine")) if spec.name == "twin")
    assert twin.environment["TWIN_DEFAULT_MODEL"] == "mine"


def test_work_is_shut_out_before_the_workers_and_the_storage_stop(specs: dict[str, ProcessSpec], tmp_path: Path):
    assert specs["gateway"].stage < specs["twin"].stage < specs["planner-worker"].stage
    assert specs["planner-worker"].stage < storage(layout(tmp_path)).stage is StopStage.STORAGE


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("plant.example", "http://plant.example:80"),
    ],
)
def test_users_are_told_an_address_they_can_reach(host: str, url: str):
    assert processes.gateway_url(host, 80) == url


def test_with_tls_the_gateway_gets_its_certificate_and_users_an_https_address(tmp_path: Path):
    files = make_certificate(Home(tmp_path), ("localhost",))
    with_tls = replace(layout(tmp_path), tls=files)
    told = with_tls.gateway_environment()
    assert (told["GATEWAY_TLS_CERT_FILE"], told["GATEWAY_TLS_KEY_FILE"]) == (str(files.certificate), str(files.key))
    # Browsers keep it for every port of this machine: not for long, unless the user says so.
    assert told["GATEWAY_HSTS_MAX_AGE_S"] == "300"
    insisting = replace(with_tls, outer={"GATEWAY_HSTS_MAX_AGE_S": "86400"})
    assert insisting.gateway_environment()["GATEWAY_HSTS_MAX_AGE_S"] == "86400"
    assert with_tls.url == "https://localhost:8080"
    welcome = bootstrap.welcome(with_tls)
    assert with_tls.url in welcome
    assert not [name for name in layout(tmp_path).gateway_environment() if "TLS" in name or "HSTS" in name]


def test_the_key_of_tls_is_told_to_the_gateway_alone(tmp_path: Path):
    files = make_certificate(Home(tmp_path), ("localhost",))
    told = [
        spec.name for spec in suite(replace(layout(tmp_path), tls=files)) if str(files.key) in spec.environment.values()
    ]
    assert told == ["gateway"]
