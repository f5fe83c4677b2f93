"""What the rules, their tests and the page of metrics say, for tests to compare."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "deploy" / "monitoring"
RUNBOOKS = ROOT / "docs" / "runbooks"
RULES = sorted((MONITORING / "rules").glob("*.yml"))
RULE_TESTS = sorted((MONITORING / "tests").glob("*.yml"))
# Of Prometheus itself, of its Python client, and of rules.
_ELSEWHERE = {
    "ALERTS", "process_cpu_seconds_total", "process_max_fds", "process_open_fds", "process_resident_memory_bytes",
    "process_start_time_seconds", "scrape_samples_scraped", "up",
}  # fmt: skip
# Labels that a scrape adds.
_ADDED = {"instance", "job", "service"}
_METRIC_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", re.MULTILINE)
_NAME = re.compile(r"\b(futago[_:][\w:]+|process_\w+|scrape_\w+|up|ALERTS)\b(?:\{([^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule."""

    name: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]


def promtool() -> str:
    """The program that checks rules."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("left out: promtool is not installed (apt-get install prometheus)")
    return found


def alerts() -> list[Alert]:
    """Every alerting rule."""
    return [
        Alert(rule["alert"], rule["expr"], rule["labels"], rule["annotations"]) for rule in rules() if "alert" in rule
    ]


@lru_cache
def rules() -> list[dict[str, Any]]:
    """Every rule."""
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def alert_tests() -> Iterator[dict[str, Any]]:
    """Every moment at which a test looks at an alert."""
    for path in RULE_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            yield from test["alert_rule_test"]


def misused(expr: str) -> list[str]:
    """What an expression names that no process shows and no rule records: metrics, and labels in their selectors."""
    known = _known()
    faults = []
    for name, selector in _NAME.findall(expr):
        labels = known.get(name)
        if labels is None:
            faults.append(name)
        else:
            # What a rule records has the labels its expression leaves; its name alone is looked at.
            unknown = set(_LABEL.findall(selector)) - labels
            faults += [] if ":" in name or name in _ELSEWHERE else [f"{name}{{{label}}}" for label in sorted(unknown)]
    return faults


@lru_cache
def _known() -> dict[str, set[str]]:
    known: dict[str, set[str]] = {name: set() for name in _ELSEWHERE}
    known |= {rule["record"]: set() for rule in rules() if "record" in rule}
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    for name, kind, labels in _METRIC_ROW.findall(page):
        own = set(re.findall(r"`(\w+)`", labels)) | _ADDED
        if kind == "histogram":
            known |= {f"{name}_bucket": own | {"le"}, f"{name}_count": own, f"{name}_sum": own}
        else:
            known[name] = own
    return known
