"""The yearly inspection plan beside Java Timefold and OptaPlanner: `make bench-peers` installs and runs them.

Each searches as long, one after the other on the same machine: First Fit, then late acceptance of 80 with one accepted
move, as their users set them for this plan. Their plans are scored by our own score. It needs a Java compiler, 17 or
later.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.planner_runs import load, plain_late_acceptance, run, show, stored_case, use_every_core
from services.planner.domain.problem import Problem
from services.planner.library import SolveOptions, read_problem, score, warm_up

SECONDS = int(os.environ.get("PLANNER_SECONDS", "60"))
_ENVIRONMENTS = Path(os.environ.get("FUTAGO_PEERS", ".venv-peers")).absolute()
_SOURCE = Path(peers.__file__).parent / "inspection" / "InspectionPlan.java"
# Name, folder of its wheel, and the package of its Java classes.
_PEERS = (
    ("Timefold", "timefold", "ai.timefold.solver.core"),
    ("OptaPlanner", "optapy", "org.optaplanner.core"),
)


@dataclass(frozen=True, slots=True)
class PeerRun:
    """A plan, the moves that were scored, and the processor time of all threads [s]."""

    plan: Mapping[str, object]
    moves: int
    cpu_s: float


def main() -> None:
    """Print score, bound and scored moves per CPU-second of each, and how many times the peers' our rate is."""
    compiler, machine = shutil.which("javac"), shutil.which("java")
    if compiler is None or machine is None:
        print("  left out: there is no Java compiler")
        return
    use_every_core()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm_up(folder / "compiled")
        for case in ("article", "d500"):
            stored = stored_case(case)
            if stored is None:
                return
            document = stored[0]
            problem = read_problem(document)
            ran = run(problem, SolveOptions(), SECONDS)
            show(case, "portfolio, 2 threads", ran)
            _, moves, cpu_s = plain_late_acceptance(problem, SECONDS / 4)
            rates = {"our portfolio": ran.solved.steps / ran.cpu_s, "our plain late acceptance": moves / cpu_s}
            for peer, wheel, package in _PEERS:
                found = _solve(folder, document, problem, _Java(compiler, machine, wheel, package))
                rate = found.moves / found.cpu_s
                explained = score(problem, found.plan).explanation
                times = ", ".join(f"{way} {ours / rate:.0f}x" for way, ours in rates.items())
                print(
                    f"  {case:12s} {peer:22s} {SECONDS:5.1f} s  {explained.score if explained else 'no full plan'}"
                    f"  {rate / 1e3:.0f} thousand moves a CPU-second ({times})  {load()}",
                    flush=True,
                )


@dataclass(frozen=True, slots=True)
class _Java:
    compiler: str
    machine: str
    wheel: str
    package: str


def _solve(folder: Path, document: dict[str, Any], problem: Problem, java: _Java) -> PeerRun:
    jars = ":".join(str(jar) for jar in sorted((_ENVIRONMENTS / java.wheel).rglob("*.jar")))
    classes = folder / java.wheel
    if not classes.exists():
        classes.mkdir()
        source = classes / _SOURCE.name
        source.write_text(_SOURCE.read_text(encoding="utf-8").replace("SOLVER", java.package), encoding="utf-8")
        subprocess.run([java.compiler, "-nowarn", "-cp", jars, "-d", str(classes), str(source)], check=True)
    given, made = folder / "problem.txt", folder / "plan.txt"
    given.write_text(_problem_text(document, problem), encoding="utf-8")
    command = [java.machine, "-cp", f"{classes}:{jars}", _SOURCE.stem, str(given), str(made), str(SECONDS)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    _, moves, _, cpu_s = next(line for line in answer.splitlines() if line.startswith("RESULT")).split()
    rows = (line.split() for line in made.read_text(encoding="utf-8").splitlines())
    assignments = [
        {"device": device, "start": problem.days[int(start)].isoformat(), "area": problem.areas[int(area)].id}
        for device, start, area in rows
        # A device that the construction has not reached yet.
        if "null" not in (start, area)
    ]
    return PeerRun({"assignments": assignments}, int(moves), float(cpu_s))


def _problem_text(document: dict[str, Any], problem: Problem) -> str:
    """The problem in the lines that the Java program reads."""
    rules = {rule["rule"]: rule for rule in document["rules"]}
    season = rules["busy_season"]
    counted = {entry["type"] for entry in document["device_types"] if entry.get("class") == season["class"]}
    settings = [
        rules["return_limit"]["days"], rules["return_limit"]["weight"],
        rules["return_interval"].get("days", rules["return_limit"]["days"]), rules["return_interval"]["weight"],
        rules["same_type_spacing"]["days"], rules["same_type_spacing"]["weight"],
        season["max"], season["weight"],
        rules["monthly_levelling"]["weight"], rules["area_exclusive"]["weight"], len(problem.areas),
    ]  # fmt: skip
    months = len(problem.month_names)
    of_type = [entry.type for entry in problem.devices]
    devices = [
        [
            device.id,
            problem.type_of[i],
            problem.inspection_days[i],
            problem.start_count[i],
            problem.previous_end_day[i],
            int((Decimal(10 * of_type.count(device.type)) / months).quantize(Decimal(1), ROUND_HALF_UP)),
            int(device.type in counted),
        ]
        for i, device in enumerate(problem.devices)
    ]
    in_season = [int(season["from"] <= day.isoformat() <= season["to"]) for day in problem.days]
    lines = [settings, problem.calendar_day.tolist(), problem.month_of.tolist(), in_season, *devices]
    return "\n".join(" ".join(str(cell) for cell in line) for line in lines)


if __name__ == "__main__":
    main()
