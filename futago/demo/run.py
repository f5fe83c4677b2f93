"""The demonstration as a whole."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from futago.client import Client
from futago.demo import anomaly_part, planner_part, real_cases, simulated_cases, twin_part
from futago.demo.cases import AnomalyCase, PlanningCase, TwinCase
from futago.demo.report import Finding, table
from futago.job import Job

SEED = 1
SHOWN_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class Cases:
    """What each part works on."""

    twin: TwinCase
    anomaly: AnomalyCase
    planning: PlanningCase


def load_cases(data: Path | None) -> Cases:
    """The public data in a folder, or what the simulator makes.

    Raises
    ------
    DataMissing
        If the folder lacks a file.
    """
    if data is None:
        return Cases(
            simulated_cases.reactor_yield("demo-yield", SEED),
            simulated_cases.fouling_exchanger("demo-plant", SEED),
            simulated_cases.small_plant_inspections(SEED),
        )
    return Cases(real_cases.power_plant(data), real_cases.skab_valve(data), real_cases.yearly_inspections(data))


def run(client: Client, cases: Cases, *, solve_s: float, say: Callable[[str], None]) -> str:
    """Put every part to work through the gateway, and return what came out as a table.

    Raises
    ------
    FutagoError
        If the suite refuses or fails.
    DemoFailed
        If it answers with something that does not hold.
    """

    def show(job: Job) -> None:
        say(f"  {job.kind} {job.state} {job.fraction:.0%} {job.message}".rstrip())

    caller = client.me()
    findings = [Finding("gateway", "logged in", f"{caller['user']}, {caller['role']}")]
    say(f"Twin: {cases.twin.title}")
    with tempfile.TemporaryDirectory() as scratch:
        findings += twin_part.run(client, cases.twin, Path(scratch), SEED)
    say(f"Anomaly: {cases.anomaly.title}")
    findings += anomaly_part.run(client, cases.anomaly, show)
    say(f"Planner: {cases.planning.title}, {solve_s:g} s")
    findings += planner_part.run(client, cases.planning, solve_s, show)
    findings += _seen(client)
    return table(findings)


def _seen(client: Client) -> list[Finding]:
    jobs, alerts = client.jobs(limit=SHOWN_AT_MOST), client.alerts(limit=SHOWN_AT_MOST)
    return [
        *(Finding("jobs", job.kind, f"{job.state}, attempt {job.attempt}") for job in jobs),
        *(Finding("alerts", alert["severity"], alert["message"]) for alert in alerts),
    ]
