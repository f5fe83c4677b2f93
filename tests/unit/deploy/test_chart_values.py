"""Values of the chart: which are taken, which are nonsense, and what is told of them."""

import copy
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from services.anomaly.adapters.job_orders import QUEUE as ANOMALY_QUEUE
from services.gateway.domain.users import USERNAME_PATTERN
from services.gateway.settings import IdentityProviderSettings
from services.planner.adapters.solve_queue import QUEUE as PLANNER_QUEUE
from shared.contracts.job import JobState
from shared.jobs.metrics import WorkerMetrics
from shared.principal import Role

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "futago"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
HELPERS = (CHART / "templates" / "_helpers.tpl").read_text()
COMPONENTS = yaml.safe_load(HELPERS.partition('define "futago.components" -}}')[2].partition("{{- end }}")[0])
PROVIDER = {"name": "plant", "issuer": "https://sso.example.com", "audience": "futago", "roles": {"a": "admin"}}


def told(path: str, value: object) -> dict[str, Any]:
    """The default values with one of them changed."""
    changed = copy.deepcopy(VALUES)
    *folders, name = path.split("/")
    place = changed
    for folder in folders:
        place = place[folder]
    place[name] = value
    return changed


def test_the_default_values_are_taken():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("registry", "registry.example.com/plant/"),
        ("registry", "localhost:5000/"),
        ("digests", {"gateway": "sha256:" + "0" * 64}),
        ("secrets/authority", "plant-ca"),
        ("store/url", "s3://plant-bundles/futago"),
        (
            "environment",
            {"FUTAGO_TRACES_ENDPOINT": "http://collector:4318/v1/traces", "AWS_ENDPOINT_URL": "https://s3"},
        ),
        ("gateway/environment", {"GATEWAY_REQUIRE_SECOND_FACTOR": "admin", "GATEWAY_BURST_REQUESTS": 10}),
        ("gateway/requireSecondFactor", ["admin", "engineer"]),
        ("gateway/identityProviders", [PROVIDER]),
        ("gateway/identityProviders", [PROVIDER | {"role_claim": ["https://plant.example/roles"]}]),
        ("monitoring/runbooks", "https://docs.plant.example:8443/futago/runbooks"),
        ("gateway/trustedProxies", ["10.42.0.0/16", "fd00::/8"]),
        ("twin/resources/requests", {"cpu": 1, "memory": "1Gi"}),
        ("gatewayApi/parentRefs", [{"name": "public", "namespace": "edge", "sectionName": "https"}]),
        ("global", {"anything": 1}),
    ],
)
def test_what_an_operator_would_write_is_taken(path: str, value: object):
    jsonschema.validate(told(path, value), SCHEMA)


NONSENSE = [
    ("replicas", 3),
    ("gateway/replica", 3),
    ("gateway/replicas", 0),
    ("gateway/replicas", "2"),
    ("gateway/replicas", 1.5),
    ("plannerWorker/autoscaling", {"enabled": True}),
    ("twin/autoscaling/cpuPercent", 0),
    ("twin/autoscaling/minReplicas", 0),
    ("twin/autoscaling", {"enabled": True}),
    ("twin/resources", {}),
    ("twin/resources/limits", {"memory": "lots"}),
    ("twin/resources/requests/gpu", 1),
    ("registry", "https://registry.example.com/"),
    ("registry", "registry.example.com"),
    ("tag", "a tag"),
    ("digests", {"gateway": "latest"}),
    ("digests", {"nginx": "sha256:" + "0" * 64}),
    ("pullPolicy", "Sometimes"),
    ("imagePullSecrets", [{"name": "a"}]),
    ("secrets/urls", ""),
    ("secrets/gateway", None),
    ("secrets/trust", "Not A Name"),
    ("secrets/password", "hunter2"),
    ("store/url", "s3:bucket"),
    ("store/url", "s3://B/x"),
    ("store/url", "file:///tmp"),
    ("store/url", "file:///var/lib/futago/../../../etc"),
    ("store/url", "https://bucket"),
    ("store/accessMode", "ReadOnlyMany"),
    ("store/size", 0),
    ("store/size", "20 GB"),
    ("logLevel", "verbose"),
    ("environment", {"PATH": "/tmp"}),
    ("environment", {"futago_log_level": "debug"}),
    ("environment", {"FUTAGO_DATABASE_URL": "postgresql+psycopg://futago:secret@db/futago"}),
    ("environment", {"TWIN_DATABASE_URL": "postgresql+psycopg://futago:secret@db/futago"}),
    ("environment", {"FUTAGO_STORE_URL": "s3://elsewhere"}),
    ("environment", {"FUTAGO_ENABLE_MONITORING": "false"}),
    ("environment", {"AWS_SECRET_ACCESS_KEY": "secret"}),
    ("environment", {"FUTAGO_LOG_LEVEL": ["debug"]}),
    ("gateway/environment", {"TWIN_BATCH_LIMIT_ROWS": 1}),
    ("gateway/environment", {"GATEWAY_NOTIFY_URLS": "slack://token"}),
    ("twin/environment", {"GATEWAY_BURST_REQUESTS": 1}),
    ("twin/environment", {"TWIN_PORT": 1}),
    ("twin/environment", {"TWIN_STORE_URL": "s3://elsewhere"}),
    ("plannerWorker/environment", {"ANOMALY_SCORE_THREADS": 1}),
    ("gateway/requireSecondFactor", ["boss"]),
    ("gateway/requireSecondFactor", "admin"),
    ("gateway/requirePasswordChange", "yes"),
    ("gateway/passwordGrant", 0),
    ("gateway/identityProviders", [{"name": "plant"}]),
    ("gateway/identityProviders", [PROVIDER | {"secret": "hunter2"}]),
    ("gateway/identityProviders", [PROVIDER | {"roles": {"futago": "boss"}}]),
    ("gateway/identityProviders", [PROVIDER | {"ca_file": "/etc/ca.pem"}]),
    ("gateway/trustedProxies", ["0.0.0.0/0"]),
    ("gateway/metricsNetworks", ["::/0"]),
    ("gateway/trustedProxies", ["10.0.0.1"]),
    ("gateway/trustedProxies", ["10.0.0.256/24"]),
    ("gateway/metricsNetworks", ["10.0.0.0/33"]),
    ("gateway/metricsNetworks", ["fd00::/129"]),
    ("workerScaling/prometheusUrl", "prometheus:9090"),
    ("workerScaling/minReplicas", 0),
    ("drainSeconds", -1),
    ("drainSeconds", "10s"),
    ("podLabels", {"tier": 1}),
    ("podLabels", {"app.kubernetes.io/component": "plant"}),
    ("podAnnotations", {"checksum/config": "0"}),
    ("internalTls", {"enabled": True}),
    ("firstAdmin/username", "Ada Lovelace"),
    ("firstAdmin/secret", ""),
    ("firstAdmin/password", "hunter2"),
    ("ingress/tlsSecret", ""),
    ("ingress/host", "https://plant.example"),
    ("ingress/host", "*"),
    ("gatewayApi/parentRefs", ["public"]),
    ("gatewayApi/hostnames", []),
    ("networkPolicy/ingressNamespaces", {}),
    ("networkPolicy/monitoringNamespaces", {}),
    ("networkPolicy/egress", []),
    ("networkPolicy/egress", [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]),
    ("networkPolicy/egress", [{}]),
    ("monitoring/serviceMonitor", "yes"),
    ("monitoring/runbooks", "docs/runbooks"),
    ("monitoring/runbooks", "https://docs.plant.example/runbooks/"),
]


@pytest.mark.parametrize(("path", "value"), NONSENSE, ids=[f"{path}={value}"[:60] for path, value in NONSENSE])
def test_nonsense_is_refused(path: str, value: object):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told(path, value), SCHEMA)


def mappings(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if schema.get("type") == "object":
        yield path, schema
    for key in ("properties", "$defs"):
        for name, below in schema.get(key, {}).items():
            yield from mappings(below, f"{path}/{name}")


def test_no_mapping_of_the_schema_takes_keys_that_nobody_knows():
    open_ones = [
        path
        for path, schema in mappings(SCHEMA)
        if schema.get("additionalProperties", True) is True and schema.get("propertyNames") is None
    ]
    assert open_ones == ["/global"]


def test_every_value_has_a_place_in_the_schema():
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert [error.message for error in validator.iter_errors({**VALUES, "surprise": 1})] == [
        "Additional properties are not allowed ('surprise' was unexpected)"
    ]


def test_a_provider_is_written_as_the_gateway_reads_it():
    known = SCHEMA["$defs"]["identityProvider"]
    fields = IdentityProviderSettings.model_fields
    assert known["properties"].keys() == fields.keys()
    assert set(known["required"]) == {name for name, field in fields.items() if field.is_required()}
    assert SCHEMA["$defs"]["role"]["enum"] == [role.value for role in Role]


def test_the_administrators_name_follows_the_gateways_rule():
    assert SCHEMA["properties"]["firstAdmin"]["properties"]["username"]["pattern"] == USERNAME_PATTERN


def test_the_readme_is_made_of_the_values_as_they_are_now():
    spec = importlib.util.spec_from_file_location("chart_readme", CHART.parent / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass with slots looks its module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    assert (CHART / "README.md").read_text() == module.readme(), "run python deploy/helm/readme.py"


def test_workers_are_scaled_by_a_metric_and_queues_that_there_are():
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry)
    metrics.waiting("planner", {"planner": 1})
    metrics.stands("planner", {JobState.RUNNING: 1}, 0.0)
    names = re.findall(r"max\((\w+)\{", (CHART / "templates" / "availability.yaml").read_text())
    assert len(names) == 2
    for name in names:
        assert f"{name}{{" in generate_latest(registry).decode()
    queues = {each["queue"] for each in COMPONENTS.values() if "queue" in each}
    assert queues == {ANOMALY_QUEUE, PLANNER_QUEUE}


def test_the_chart_carries_the_rules_and_dashboards_of_the_repository():
    linked = CHART / "monitoring"
    assert linked.is_symlink()
    assert linked.resolve() == ROOT / "deploy" / "monitoring"
    assert not Path(linked.readlink()).is_absolute()
