"""The demonstration as a whole."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from futago.client import Client
from futago.demo import anomaly_part, planner_part, real_cases, simulated_cases, twin_part
from futago.demo.cases import AnomalyCase, PlanningCase, TwinCase
from futago.demo.report import Finding, table
from futago.job import Job
from futago.wire import JsonObject

SEED = 1
SHOWN_AT_MOST = 3
SAID_EVERY = 0.1
ALERT_LOOKS, ALERT_LOOK_S = 20, 0.25


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

    caller = client.me()
    findings = [Finding("gateway", "logged in", f"{caller['user']}, {caller['role']}")]
    say(f"Twin: {cases.twin.title}")
    with tempfile.TemporaryDirectory() as scratch:
        findings += twin_part.run(client, cases.twin, Path(scratch), SEED)
    say(f"Anomaly: {cases.anomaly.title}")
    findings += anomaly_part.run(client, cases.anomaly, _Progress(say))
    say(f"Planner: {cases.planning.title}, {solve_s:g} s")
    findings += planner_part.run(client, cases.planning, solve_s, _Progress(say))
    findings += _seen(client, cases.anomaly.detector)
    return table(findings)


class _Progress:
    """Says how far a job is, once every tenth of the way."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said = ("", 0.0)

    def __call__(self, job: Job) -> None:
        state, fraction = self._said
        if job.state != state or job.fraction >= fraction + SAID_EVERY:
            self._said = (job.state, job.fraction)
            self._say(f"  {job.kind} {job.state} {job.fraction:.0%} {'' if job.ended else job.message}".rstrip())


def _seen(client: Client, detector: str) -> list[Finding]:
    return [
        *(Finding("jobs", job.kind, f"{job.state}, attempt {job.attempt}") for job in client.jobs(SHOWN_AT_MOST)),
        *(Finding("alerts", alert["severity"], alert["message"]) for alert in _alerts_of(client, detector)),
    ]


def _alerts_of(client: Client, detector: str) -> list[JsonObject]:
    """The newest alerts of a detector; they travel by themselves and may come a moment after the scores."""
    for _look in range(ALERT_LOOKS):
        raised = [alert for alert in client.alerts() if alert["subject"] == detector]
        if raised:
            return raised[:SHOWN_AT_MOST]
        time.sleep(ALERT_LOOK_S)
    return []
