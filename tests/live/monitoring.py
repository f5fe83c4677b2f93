"""Dashboards and rules beside a live Prometheus that scrapes a running suite: `python -m tests.live.monitoring`.

It starts a suite of its own (or takes one that runs, `--home`), puts it to work, and asks Prometheus every expression
of every dashboard, every query of a variable and every rule. It ends with 1 if one is refused, has no data where it
should, or an alert fires in a suite that is well. What Grafana would make of it is not looked at.
"""

# ruff: noqa: T201 (a command that says what it found)

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.http_load import free_port
from deploy.monitoring.boards.catalogue import BOARDS
from futago.launcher.home import Home
from futago.launcher.state import State
from futago.launcher.supervised import Phase
from tests.live.prometheus import ExpressionRefused, Prometheus, filled_in, has_numbers, prometheus
from tests.live.work import work_for

_START_S = 900
_WORK_S = 60.0
# Values of single assets are shown where it is asked for.
_SETTINGS = {"TWIN_ASSET_METRICS": "true", "ANOMALY_ASSET_METRICS": "true"}
# Shares of what did not happen.
_MAY_RECORD_NOTHING = {"futago:job_failures:ratio_rate1h", "futago:twin_fallbacks:ratio_rate10m"}
# Of a suite that was just worked with: it is refused and finds anomalies, as it was made to.
_MAY_FIRE = {"FutagoAnomalyCritical"}


def main() -> int:
    """Say what was asked and what came out."""
    arguments = argparse.ArgumentParser(description="check dashboards and rules with a live Prometheus")
    arguments.add_argument("--home", type=Path, help="FUTAGO_HOME of a suite that runs")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.home is not None:
            return _check(Home(given.home.resolve()), folder)
        with _suite(Home(folder / "home")) as home:
            return _check(home, folder)


def _check(home: Home, folder: Path) -> int:
    targets = {each.name: each.port for each in State.read(home.state).processes if each.port and each.name != "valkey"}
    with prometheus(folder / "prometheus", targets) as server:
        _demonstrate(home)
        calls = work_for(home, _WORK_S)
        print(f"worked: futago demo, then {calls} calls in {_WORK_S:.0f} s; {len(targets)} processes scraped")
        faults = [f"cannot be scraped: {target}" for target in server.targets_down()]
        faults += list(_faulty_panels(server))
        faults += list(_faulty_variables(server))
        faults += list(_faulty_rules(server))
    for fault in faults:
        print("FAULT", fault)
    return 1 if faults else 0


def _demonstrate(home: Home) -> None:
    command = [sys.executable, "-m", "futago", "demo", "--seconds", "5"]
    subprocess.run(command, env={**os.environ, "FUTAGO_HOME": str(home.root)}, check=True, stdout=subprocess.DEVNULL)


def _faulty_panels(server: Prometheus) -> Iterator[str]:
    asked = empty = 0
    for board in BOARDS:
        for panel in board.panels():
            for query in panel.queries:
                asked += 1
                where = f"{board.name} / {panel.title}: {query.expr}"
                try:
                    shown = has_numbers(server.ask(filled_in(query.expr)))
                except ExpressionRefused as error:
                    yield f"{where}: {error}"
                    continue
                if shown:
                    continue
                empty += 1
                if query.empty_because is None:
                    yield f"{where}: no data"
                else:
                    print(f"  no data, as {query.empty_because}: {board.name} / {panel.title}")
    print(f"{asked} expressions of {len(BOARDS)} dashboards, {empty} of them without data")


def _faulty_variables(server: Prometheus) -> Iterator[str]:
    for board in BOARDS:
        for variable in board.variables:
            found = server.ask(f"count by ({variable.label}) ({variable.metric})")
            if not found and variable.empty_because is None:
                yield f"{board.name}: nothing to choose for {variable.name}"


def _faulty_rules(server: Prometheus) -> Iterator[str]:
    rules = server.rules()
    for rule in rules:
        if rule["health"] != "ok":
            yield f"rule {rule['name']}: {rule.get('lastError', rule['health'])}"
        if rule["type"] == "recording":
            if rule["name"] not in _MAY_RECORD_NOTHING and not has_numbers(server.ask(rule["name"])):
                yield f"rule {rule['name']} records nothing"
        elif rule["alerts"]:
            firing = [each["labels"] for each in rule["alerts"] if each["state"] == "firing"]
            if not firing:
                print(f"  {rule['name']} would fire if it went on")
            elif rule["name"] in _MAY_FIRE:
                print(f"  {rule['name']}, as it was made to: {firing}")
            else:
                yield f"alert in a suite that is well: {firing}"
    print(f"{len(rules)} rules evaluated")


@contextmanager
def _suite(home: Home) -> Iterator[Home]:
    home.root.mkdir()
    environment = {**os.environ, **_SETTINGS, "FUTAGO_HOME": str(home.root), "FUTAGO_PORT": str(free_port())}
    with subprocess.Popen(
        [sys.executable, "-m", "futago", "up"], env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            _wait_until_ready(home, process)
            yield home
        finally:
            process.terminate()


def _wait_until_ready(home: Home, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        if home.demo_marker.exists() and all(each.phase is Phase.READY for each in State.read(home.state).processes):
            return
        time.sleep(1.0)
    raise RuntimeError(f"the suite did not start; its logs are in {home.logs}")


if __name__ == "__main__":
    sys.exit(main())
