"""A Prometheus of one's own that scrapes a running suite with the repository's rules, and what can be asked of it."""

import json
import math
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.http_load import free_port

RULES = Path(__file__).parents[2] / "deploy" / "monitoring" / "rules"
_SCRAPE_S = 2
# What Grafana puts in for its variables; the interval is ten scrapes.
_MACROS = {"__rate_interval": f"{10 * _SCRAPE_S}s", "__interval": f"{_SCRAPE_S}s", "__range": "15m"}


class ExpressionRefused(Exception):
    """Prometheus could not read or evaluate an expression."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server that scrapes."""

    url: str

    def ask(self, expr: str) -> list[float]:
        """The values of an expression now, one for each series.

        Raises
        ------
        ExpressionRefused
            With what Prometheus said.
        """
        return [float(each["value"][1]) for each in self._get("query", {"query": expr})["result"]]

    def rules(self) -> list[dict[str, Any]]:
        """Every rule, with its health and the alerts that it has raised."""
        return [rule for group in self._get("rules", {})["groups"] for rule in group["rules"]]

    def targets_down(self) -> list[str]:
        """Services that cannot be scraped, with what is wrong."""
        targets = self._get("targets", {})["activeTargets"]
        return [f"{each['labels']['service']}: {each['lastError']}" for each in targets if each["health"] != "up"]

    def _get(self, what: str, parameters: Mapping[str, str]) -> Any:
        request = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ExpressionRefused(json.load(error).get("error", str(error))) from None


def filled_in(expr: str) -> str:
    """An expression of a dashboard with every variable set to all."""
    named = re.sub(r"\$\{?(__\w+)\}?", lambda found: _MACROS[found[1]], expr)
    return re.sub(r'"\$\{?\w+\}?"', '".*"', named)


def has_numbers(values: list[float]) -> bool:
    """Whether a panel would show anything."""
    return any(not math.isnan(value) for value in values)


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, int]) -> Iterator[Prometheus]:
    """Scrape services by name and port until the block ends.

    Raises
    ------
    RuntimeError
        If Prometheus does not start.
    """
    binary = shutil.which("prometheus")
    if binary is None:
        raise RuntimeError("Prometheus is not installed: apt-get install prometheus")
    rules = folder / "rules"
    rules.mkdir(parents=True)
    for path in RULES.glob("*.yml"):
        # Nobody waits for the groups that take their time.
        (rules / path.name).write_text(path.read_text().replace("interval: 2m", f"interval: {_SCRAPE_S}s"))
    configuration = folder / "prometheus.yml"
    configuration.write_text(json.dumps(_configuration(rules, targets)))
    port = free_port()
    command = [
        binary, f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield _ready(Prometheus(f"http://127.0.0.1:{port}"), process)
        finally:
            process.terminate()


def _configuration(rules: Path, targets: Mapping[str, int]) -> dict[str, object]:
    return {
        "global": {"scrape_interval": f"{_SCRAPE_S}s", "evaluation_interval": f"{_SCRAPE_S}s"},
        "rule_files": [f"{rules}/*.yml"],
        "scrape_configs": [
            {
                "job_name": "futago",
                "static_configs": [
                    {"targets": [f"127.0.0.1:{port}"], "labels": {"service": service}}
                    for service, port in targets.items()
                ],
            }
        ],
    }


def _ready(server: Prometheus, process: subprocess.Popen[bytes]) -> Prometheus:
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/-/ready", timeout=1):
                return server
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("Prometheus did not start; its log is beside its configuration")
