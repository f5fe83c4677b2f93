"""What can be said of `deploy/` without a container engine."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from services.gateway.settings import GatewaySettings

DEPLOY = Path(__file__).parents[3] / "deploy"
SCRIPTS = sorted([*DEPLOY.glob("scripts/*.sh"), *DEPLOY.glob("edge/*.sh"), *DEPLOY.glob("container/*.sh")])
URLS = {
    "FUTAGO_DATABASE_URL_FILE": "postgresql+psycopg://futago@postgres/futago",
    "FUTAGO_REDIS_URL_FILE": "redis://redis:6379/0",
}
UNITS = sorted(DEPLOY.glob("edge/*.service"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_read_by_a_plain_shell_and_stops_at_the_first_fault(script: Path):
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    assert "set -eu" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "script", [each for each in SCRIPTS if each.parent.name == "scripts"], ids=lambda path: path.name
)
def test_a_script_without_its_arguments_says_how_it_is_used(script: Path):
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert done.stderr.startswith("usage: ")


def test_everything_compose_lets_one_choose_is_explained():
    chosen = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    explained = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert chosen == explained


def test_defaults_of_compose_are_those_that_are_explained():
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    explained = dict(
        re.findall(r"^([A-Z_]+)=(.*)$", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for name, default in re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", compose):
        assert explained[name] == default, name


@pytest.mark.parametrize("service", ["twin", "anomaly", "anomaly-worker"])
def test_files_that_come_in_are_written_to_a_disk_and_not_to_memory(service: str):
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"][service]
    volumes = {volume.split(":")[1] for volume in told["volumes"] if not volume.endswith(":ro")}
    assert str(Path(told["environment"]["TMPDIR"]).parent) in volumes
    assert told["environment"].items() >= {"FUTAGO_STORE_URL": "file:///var/lib/futago"}.items()


def started(tmp_path: Path, folder: Path) -> list[str]:
    """What a process finds that the entrypoint starts: its folder for files, what is in it, its port and command."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nls -d "$TMPDIR" && ls "$TMPDIR" && echo "$TWIN_PORT" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SERVICE": "services.twin.app", "PORT": "8101"}
    done = subprocess.run(
        ["sh", DEPLOY / "container" / "entrypoint.sh"],
        env={**environment, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_the_folder_for_files_that_come_in_is_made_before_the_process_starts(tmp_path: Path):
    folder = tmp_path / "cache" / "tmp"
    assert started(tmp_path, folder) == [str(folder), "8101 -m services.twin.app"]


def test_what_a_killed_process_left_there_goes_after_a_day(tmp_path: Path):
    folder = tmp_path / "tmp"
    for name in ("futago-parquet-old", "futago-parquet-new", "of-others"):
        (folder / name).mkdir(parents=True)
        (folder / name / "readings").touch()
    for name in ("futago-parquet-old", "of-others"):
        os.utime(folder / name, times=(1e9, 1e9))
    assert started(tmp_path, folder)[1:-1] == ["futago-parquet-new", "of-others"]


def gateway_as_composed(monkeypatch: pytest.MonkeyPatch, chosen: Mapping[str, str]) -> GatewaySettings:
    """The gateway's settings, as Compose hands them over with these lines in `.env`."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    told = {**compose["x-environment"], **compose["services"]["gateway"]["environment"]}
    for name, value in told.items():
        filled = re.sub(r"\$\{([A-Z_]+):-([^}]*)\}", lambda found: chosen.get(found[1], found[2]), value)
        # The URLs lie in files of the container.
        monkeypatch.setenv(name.removesuffix("_FILE"), URLS[name]) if name in URLS else monkeypatch.setenv(name, filled)
    return GatewaySettings.load(None)


def test_compose_tells_the_gateway_what_it_understands(monkeypatch: pytest.MonkeyPatch):
    settings = gateway_as_composed(monkeypatch, {})
    assert settings.require_second_factor == ()
    assert not settings.require_password_change
    assert settings.password_grant
    assert settings.identity_providers == ()
    assert [str(network) for network in settings.trusted_proxies] == ["172.31.87.0/24"]


def test_compose_tells_the_gateway_what_a_security_officer_chose(monkeypatch: pytest.MonkeyPatch):
    provider = {"name": "plant", "issuer": "https://sso.example.com", "audience": "futago", "roles": {"a": "admin"}}
    chosen = {
        "REQUIRE_SECOND_FACTOR": "admin,engineer",
        "REQUIRE_PASSWORD_CHANGE": "true",
        "PASSWORD_GRANT": "false",
        "IDENTITY_PROVIDERS": json.dumps([provider]),
    }
    settings = gateway_as_composed(monkeypatch, chosen)
    assert settings.require_second_factor == ("admin", "engineer")
    assert settings.require_password_change
    assert not settings.password_grant
    assert [each.issuer for each in settings.identity_providers] == ["https://sso.example.com"]


def test_plain_http_is_sent_on_to_the_port_that_speaks_tls(tmp_path: Path):
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    shell, option, script = compose["services"]["nginx"]["entrypoint"]
    written = script.replace("${HTTPS_PORT:-8443}", "9443").replace("$$", "$").replace("/tmp/", f"{tmp_path}/")
    before, _, started = written.partition(" && ")
    subprocess.run([shell, option, before], check=True)
    redirect = (tmp_path / "redirect.conf").read_text(encoding="utf-8")
    assert redirect == "return 308 https://$host:9443$request_uri;\n"
    assert "include /tmp/redirect.conf;" in (DEPLOY / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    assert started == "exec nginx -g 'daemon off;'"


def test_prometheus_knows_where_the_runbooks_are_and_alerts_have_no_label_of_it():
    config = yaml.safe_load((DEPLOY / "monitoring" / "prometheus.yml").read_text(encoding="utf-8"))
    assert config["global"]["external_labels"] == {"runbooks": "${RUNBOOKS}"}
    assert config["alerting"]["alert_relabel_configs"] == [{"action": "labeldrop", "regex": "runbooks"}]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    assert compose["services"]["prometheus"]["environment"] == {"RUNBOOKS": "${RUNBOOKS:-}"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_may_do_no_more_than_it_needs(unit: Path):
    text = unit.read_text(encoding="utf-8")
    for line in (
        "User=futago",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=\n",
        "UMask=0077",
        "RestartPreventExitStatus=",
    ):
        assert line in text, line
