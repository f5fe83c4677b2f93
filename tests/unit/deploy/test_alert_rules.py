import subprocess
from pathlib import Path

import pytest

from tests.unit.deploy.prometheus_files import (
    MONITORING,
    RULE_TESTS,
    RULES,
    RUNBOOKS,
    Alert,
    alert_tests,
    alerts,
    misused,
    promtool,
    rules,
)

SECTIONS = ("## First look", "## Likely causes", "## Fix", "## Not")


def test_prometheus_takes_every_rule():
    done = subprocess.run([promtool(), "check", "rules", *map(str, RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(RULES) >= 7


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_are_silent_when_they_should(path: Path):
    command = [promtool(), "test", "rules", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_firing_and_silent():
    names = {alert.name for alert in alerts()}
    looks = list(alert_tests())
    assert {look["alertname"] for look in looks if look["exp_alerts"]} == names
    assert {look["alertname"] for look in looks if not look["exp_alerts"]} == names


def test_alerts_have_names_of_their_own():
    names = [alert.name for alert in alerts()]
    assert len(names) == len(set(names)) > 50


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_an_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on(alert: Alert):
    assert alert.name.startswith("Futago")
    assert alert.labels["severity"] in {"critical", "warning"}
    assert alert.annotations.keys() == {"summary", "description", "runbook_url"}
    assert 10 < len(alert.annotations["summary"]) < 100
    assert len(alert.annotations["description"]) > 10
    # A path in the repository, unless the Prometheus knows where the runbooks are served.
    base, _, file = alert.annotations["runbook_url"].rpartition("/")
    assert (base, file) == ('{{ or $externalLabels.runbooks "docs/runbooks" }}', f"{alert.name}.md")
    page = (RUNBOOKS / file).read_text(encoding="utf-8")
    assert page.startswith(f"# {alert.name}\n")
    places = [page.find(section) for section in SECTIONS]
    assert -1 not in places
    assert places == sorted(places)


def test_every_runbook_has_its_alert_and_stands_in_the_index():
    names = {alert.name for alert in alerts()}
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == names | {"README"}
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert all(f"| [{alert.name}]({alert.name}.md) | {alert.labels['severity']} |" in index for alert in alerts())


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_names_only_metrics_that_some_process_shows(rule: dict[str, str]):
    assert misused(rule["expr"]) == []


def test_a_metric_or_label_that_nobody_shows_is_found():
    assert misused('sum(rate(futago_gateway_wishes_total{reason="x"}[5m]))') == ["futago_gateway_wishes_total"]
    assert misused('futago_gateway_breaker_state{colour="red", upstream="twin"}') == [
        "futago_gateway_breaker_state{colour}"
    ]
    assert misused("futago:nothing:ratio_rate5m") == ["futago:nothing:ratio_rate5m"]
    assert misused('histogram_quantile(0.9, futago_redis_command_seconds_bucket{le="1"}) + up{job="futago"}') == []


def test_prometheus_reads_the_rules_from_where_they_are_mounted():
    assert "/etc/prometheus/rules/*.yml" in (MONITORING / "prometheus.yml").read_text()
