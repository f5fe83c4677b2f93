"""The chart as Helm renders it: validators, who may connect to whom, and what every pod is and is not allowed."""

import itertools
import json
import re
import tarfile
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from services.anomaly.settings import AnomalySettings, AnomalyWorkerSettings
from services.gateway.settings import GatewaySettings
from services.planner.settings import PlannerSettings, PlannerWorkerSettings
from services.twin.settings import TwinSettings
from tests.contract.chart_render import (
    CHART,
    DIGEST,
    EVERYTHING,
    SERVICES,
    WORKERS,
    Manifest,
    of_kind,
    pods,
    render,
    run_helm,
)

SETTINGS = {
    "gateway": GatewaySettings,
    "twin": TwinSettings,
    "anomaly": AnomalySettings,
    "planner": PlannerSettings,
    "anomaly-worker": AnomalyWorkerSettings,
    "planner-worker": PlannerWorkerSettings,
}
# A twin goes on with what it knows. The others would be away together, for a database or a neighbour that is.
READY = {
    "gateway": "/readyz?exclude=database&exclude=redis&exclude=twin&exclude=anomaly&exclude=planner",
    "twin": "/readyz",
    "anomaly": "/readyz?exclude=database",
    "planner": "/readyz?exclude=database",
}


@pytest.fixture(scope="module")
def full(folder: Path) -> list[Manifest]:
    return render(folder, "--set", EVERYTHING)


def test_helm_finds_nothing_to_complain_about(folder: Path):
    done = run_helm(folder, "lint", "--strict", "--quiet", str(CHART), "--set", EVERYTHING)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_manifest_follows_the_schema_of_kubernetes(full: list[Manifest]):
    """Of the oldest version that the chart is for; `deploy/helm/check.sh` asks newer ones too."""
    unknown = set()
    for manifest in full:
        try:
            kubernetes_validate.validate(manifest, "1.31", strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            unknown.add(manifest["kind"])
    # What operators of the cluster bring along is not in Kubernetes' own schemas.
    assert unknown == {"Gateway", "HTTPRoute", "PrometheusRule", "ScaledObject", "ServiceMonitor"}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("gateway.replicas=0", "replicas"),
        ("surprise=1", "surprise"),
        ("twin.autoscaling.minReplicas=9,twin.autoscaling.maxReplicas=3", "minReplicas is more than maxReplicas"),
        ("workerScaling.minReplicas=9", "minReplicas is more than maxReplicas"),
        ("twin.resources.requests.cpu=null", "twin.resources.requests.cpu is missing"),
        ("store.accessMode=ReadWriteOnce", "is for one pod of each kind"),
        (
            "store.accessMode=ReadWriteOnce,twin.replicas=1,twin.autoscaling.enabled=false,anomaly.replicas=1,"
            "anomaly.autoscaling.enabled=false",
            "say which by nodeSelector",
        ),
        ("store.url=s3://plant,store.existingClaim=store", "on S3"),
        ("store.credentials=plant-s3", "is for s3://"),
        ("gatewayApi.enabled=true", "parentRefs of a Gateway"),
        ("ingress.enabled=true,ingress.tlsSecret=", "tlsSecret"),
        ("workerScaling.enabled=true", "monitoring.serviceMonitor is off"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(folder: Path, values: str, reason: str):
    done = run_helm(folder, "template", "plant", str(CHART), "--set", values)
    assert done.returncode != 0
    assert reason in done.stderr


def test_an_installation_without_a_cluster_ends_with_notes(folder: Path):
    done = run_helm(folder, "install", "plant", str(CHART), "--dry-run=client", "--set", "ingress.enabled=true")
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    assert "https://futago.example.com/docs" in notes
    assert "gateway.trustedProxies" in notes
    assert "secret futago-first-admin" in notes


def test_a_package_contains_rules_and_dashboards_and_no_settings_of_one_server(folder: Path):
    done = run_helm(folder, "package", str(CHART), "--destination", str(folder))
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(folder.glob("futago-*.tgz"))) as package:
        names = {name.removeprefix("futago/") for name in package.getnames()}
    ours = CHART / "monitoring"
    wanted = {
        f"monitoring/{path.relative_to(ours)}" for path in [*ours.glob("rules/*.yml"), *ours.glob("dashboards/*.json")]
    }
    assert wanted
    assert {name for name in names if name.startswith("monitoring/")} == wanted
    assert {"values.schema.json", "README.md", "templates/tests/suite.yaml"} <= names


def components(manifests: list[Manifest], kind: str) -> set[str]:
    return {each["metadata"]["labels"].get("app.kubernetes.io/component") for each in of_kind(manifests, kind)}


def test_every_process_has_what_belongs_to_it(plain: list[Manifest]):
    everyone = {*SERVICES, *WORKERS}
    assert components(plain, "Deployment") == everyone
    assert components(plain, "Service") == everyone
    assert components(plain, "HorizontalPodAutoscaler") == set(SERVICES)
    assert components(plain, "PodDisruptionBudget") == set(SERVICES)
    assert components(plain, "Job") == {"migrate", "first-admin"}
    assert components(plain, "ServiceAccount") == everyone
    for account in of_kind(plain, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_a_role_on_s3_is_for_those_who_read_the_store(folder: Path):
    manifests = render(folder, "--set", r"accountAnnotations.example\.com/role=store")
    accounts = {each["metadata"]["name"]: each["metadata"] for each in of_kind(manifests, "ServiceAccount")}
    holders = {name for name, metadata in accounts.items() if metadata.get("annotations")}
    assert holders == {"plant-futago-twin", "plant-futago-anomaly", "plant-futago-anomaly-worker"}
    for component, template in pods(manifests):
        account = template["spec"]["serviceAccountName"]
        if component in {*SERVICES, *WORKERS}:
            assert account == f"plant-futago-{component}"
        else:
            assert account not in holders


def test_no_pod_is_allowed_more_than_it_needs(full: list[Manifest]):
    found = dict(pods(full))
    assert set(found) == {*SERVICES, *WORKERS, "migrate", "first-admin", "test"}
    for component, template in found.items():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False, component
        assert spec["enableServiceLinks"] is False, component
        assert spec["imagePullSecrets"] == [{"name": "pull"}], component
        assert spec["securityContext"]["runAsNonRoot"] is True, component
        assert spec["securityContext"]["runAsUser"] == 10001, component
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, component
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, component
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), component
            assert "memory" in container["resources"]["limits"], component
            assert container["image"].startswith("registry.example.com/plant/futago-"), component
        assert component not in {"twin", "anomaly", "anomaly-worker"} or "plant-s3" in mounted(template)
    assert found["migrate"]["spec"]["containers"][0]["image"].endswith(DIGEST)


def mounted(template: Manifest) -> set[str]:
    """Names of the secrets that a pod can read."""
    return {each["secret"]["secretName"] for each in template["spec"].get("volumes", []) if "secret" in each}


def test_a_pod_reads_no_secret_that_is_not_its_own(plain: list[Manifest]):
    assert {component: mounted(template) for component, template in pods(plain)} == {
        "gateway": {"futago-urls", "futago-gateway"},
        "twin": {"futago-urls", "futago-identity", "futago-trust"},
        "anomaly": {"futago-urls", "futago-identity", "futago-trust"},
        "planner": {"futago-urls", "futago-identity"},
        "anomaly-worker": {"futago-urls", "futago-trust", "futago-signing"},
        "planner-worker": {"futago-urls"},
        "migrate": {"futago-urls"},
        "first-admin": {"futago-urls", "futago-first-admin"},
        "test": set(),
    }


def test_before_the_first_installation_the_migration_needs_nothing_of_the_release(plain: list[Manifest]):
    (job,) = [each for each in of_kind(plain, "Job") if each["metadata"]["name"].endswith("-migrate")]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    spec = job["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == "default"
    (container,) = spec["containers"]
    assert "envFrom" not in container
    assert not any("configMap" in volume for volume in spec["volumes"])


def test_no_secret_is_made_or_shown_by_the_chart(full: list[Manifest]):
    assert of_kind(full, "Secret") == []
    (job,) = [each for each in of_kind(full, "Job") if each["metadata"]["name"].endswith("-first-admin")]
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][:3] == [
        "python",
        "-m",
        "services.gateway.bootstrap",
    ]


def test_probes_ask_what_each_process_answers(plain: list[Manifest], full: list[Manifest]):
    for manifests, scheme in ((plain, None), (full, "HTTPS")):
        for component, template in pods(manifests):
            (container,) = template["spec"]["containers"]
            if component in SERVICES:
                expected = {"path": "/healthz", "port": "http"} | ({"scheme": scheme} if scheme else {})
                assert container["livenessProbe"]["httpGet"] == container["startupProbe"]["httpGet"] == expected
                assert container["readinessProbe"]["httpGet"] == expected | {"path": READY[component]}
            elif component in WORKERS:
                assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
                assert "readinessProbe" not in container


def test_a_pod_has_time_to_drain_and_to_answer_before_it_is_killed(plain: list[Manifest]):
    (config,) = [each for each in of_kind(plain, "ConfigMap") if each["metadata"]["name"].endswith("futago")]
    drain_s = float(config["data"]["FUTAGO_DRAIN_S"])
    deadline_s = float(GatewaySettings.model_fields["deadline_s"].default)
    for deployment in of_kind(plain, "Deployment"):
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > drain_s + deadline_s + 5


def test_a_change_of_settings_or_of_a_secrets_name_starts_new_pods(folder: Path, plain: list[Manifest]):
    before = {component: template for component, template in pods(plain) if component in {*SERVICES, *WORKERS}}
    louder = dict(pods(render(folder, "--set", "logLevel=debug")))
    assert all(louder[component] != template for component, template in before.items())
    moved = dict(pods(render(folder, "--set", "secrets.urls=other-urls")))
    assert all(moved[component] != template for component, template in before.items())


def test_every_setting_that_the_chart_tells_is_one(full: list[Manifest]):
    (config,) = [each for each in of_kind(full, "ConfigMap") if each["metadata"]["name"].endswith("futago")]
    known = {"OMP_NUM_THREADS", "AWS_SHARED_CREDENTIALS_FILE"}
    for settings, prefix in itertools.product(SETTINGS.values(), ("FUTAGO_", None)):
        for name in settings.model_fields:
            variable = (prefix or f"{settings.service.upper()}_") + name.upper()
            known |= {variable, f"{variable}_FILE"}
    told = set(config["data"])
    for _, template in pods(full):
        for container in template["spec"]["containers"]:
            told |= {each["name"] for each in container.get("env", [])}
    assert told <= known


def test_files_that_settings_name_are_mounted_where_they_are_read(full: list[Manifest]):
    (config,) = [each for each in of_kind(full, "ConfigMap") if each["metadata"]["name"].endswith("futago")]
    for component, template in pods(full):
        settings = SETTINGS.get(component)
        if settings is None:
            continue
        (container,) = template["spec"]["containers"]
        folders = {mount["mountPath"] for mount in container["volumeMounts"]}
        own = {each["name"]: each["value"] for each in container["env"]}
        for variable, value in {**config["data"], **own}.items():
            field = re.sub(rf"^(FUTAGO|{settings.service.upper()})_", "", variable).lower()
            if field in settings.model_fields or field.removesuffix("_file") in settings.model_fields:
                for path in re.findall(r"/run/futago/[a-z-]+", value):
                    assert path in folders, f"{component} cannot read {variable}"


def test_services_find_one_another_over_tls_where_that_is_wanted(full: list[Manifest]):
    (config,) = [each for each in of_kind(full, "ConfigMap") if each["metadata"]["name"].endswith("futago")]
    services = {each["metadata"]["name"]: each for each in of_kind(full, "Service")}
    for name in ("TWIN", "ANOMALY", "PLANNER"):
        scheme, host, port = re.fullmatch(r"(https?)://([^:]+):(\d+)", config["data"][f"GATEWAY_{name}_URL"]).groups()
        assert scheme == "https"
        assert services[host]["spec"]["ports"] == [{"name": "https", "port": int(port), "targetPort": "http"}]
    (monitor,) = of_kind(full, "ServiceMonitor")
    ports = {port["name"] for each in services.values() for port in each["spec"]["ports"]}
    assert {each["port"] for each in monitor["spec"]["endpoints"]} == ports
    assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"


def test_metrics_are_not_routed_from_outside_and_everything_else_is(full: list[Manifest]):
    (ingress,) = of_kind(full, "Ingress")
    (route,) = of_kind(full, "HTTPRoute")
    paths = {each["path"] for each in ingress["spec"]["rules"][0]["http"]["paths"]}
    assert paths == {each["path"]["value"] for each in route["spec"]["rules"][0]["matches"]}
    assert not any("/metrics".startswith(path) for path in paths)
    assert ingress["spec"]["tls"] == [{"hosts": ["futago.example.com"], "secretName": "futago-tls"}]
    (gateway,) = of_kind(full, "Gateway")
    assert {each["protocol"] for each in gateway["spec"]["listeners"]} == {"HTTPS"}


def test_rules_and_dashboards_arrive_as_they_are(full: list[Manifest]):
    rules = {each["metadata"]["name"]: each["spec"] for each in of_kind(full, "PrometheusRule")}
    for path in (CHART / "monitoring" / "rules").glob("*.yml"):
        assert rules[f"plant-futago-{path.stem}"] == yaml.safe_load(path.read_text())
    boards = {name: text for each in of_kind(full, "ConfigMap") for name, text in each["data"].items()}
    for path in (CHART / "monitoring" / "dashboards").glob("*.json"):
        assert boards[path.name].strip() == path.read_text().strip()


def test_alerts_and_dashboards_link_to_where_the_runbooks_are_served(folder: Path):
    base = "https://docs.plant.example/runbooks"
    served = render(folder, "--set", f"{EVERYTHING},monitoring.runbooks={base}")
    alerts = {
        rule["alert"]: rule["annotations"]["runbook_url"]
        for each in of_kind(served, "PrometheusRule")
        for group in each["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert alerts == {alert: f"{base}/{alert}.md" for alert in alerts}
    assert len(alerts) > 50
    boards = [text for each in of_kind(served, "ConfigMap") for name, text in each["data"].items() if ".json" in name]
    assert boards
    for text in boards:
        (variable,) = [each for each in json.loads(text)["templating"]["list"] if each["name"] == "runbooks"]
        assert variable["query"] == base
        assert "runbooks.example.com" not in text


def test_the_gateway_is_told_what_a_security_officer_chose(folder: Path):
    provider = {"name": "plant", "issuer": "https://sso.example.com", "audience": "futago", "roles": {"a": "admin"}}
    chosen = ("requireSecondFactor={admin,engineer}", "requirePasswordChange=true", "passwordGrant=false")
    told = [part for each in chosen for part in ("--set", f"gateway.{each}")]
    manifests = render(folder, *told, "--set-json", f"gateway.identityProviders={json.dumps([provider])}")
    (config,) = [each for each in of_kind(manifests, "ConfigMap") if each["metadata"]["name"].endswith("futago")]
    data = config["data"]
    assert data["GATEWAY_REQUIRE_SECOND_FACTOR"] == "admin,engineer"
    assert data["GATEWAY_REQUIRE_PASSWORD_CHANGE"] == "true"
    assert data["GATEWAY_PASSWORD_GRANT"] == "false"
    assert json.loads(data["GATEWAY_IDENTITY_PROVIDERS"]) == [provider]


def test_workers_are_scaled_by_their_own_queue_in_their_own_namespace(full: list[Manifest]):
    for scaled in of_kind(full, "ScaledObject"):
        queue = scaled["spec"]["scaleTargetRef"]["name"].removeprefix("plant-futago-").removesuffix("-worker")
        (trigger,) = scaled["spec"]["triggers"]
        assert trigger["metadata"] == {
            "serverAddress": "http://prometheus-operated.monitoring.svc:9090",
            "query": f'max(futago_jobs_waiting{{queue="{queue}", namespace="futago"}}) / 2'
            f' + (max(futago_jobs{{queue="{queue}", state="running", namespace="futago"}}) or vector(0))',
            "threshold": "1",
        }
        # KEDA's own cooldownPeriod is for the way to none at all, which there is not.
        assert scaled["spec"]["minReplicaCount"] > 0
        behaviour = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behaviour == {"scaleDown": {"stabilizationWindowSeconds": 600}}
    scaled_ones = components(full, "ScaledObject") | components(full, "HorizontalPodAutoscaler")
    for deployment in of_kind(full, "Deployment"):
        # A number here would undo what the scaler decided, at every upgrade.
        assert "replicas" not in deployment["spec"]
        assert deployment["metadata"]["labels"]["app.kubernetes.io/component"] in scaled_ones


def test_the_schema_that_helm_reads_is_the_draft_it_says(folder: Path):
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    assert jsonschema.validators.validator_for(schema) is jsonschema.Draft202012Validator
