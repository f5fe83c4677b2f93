"""The yearly inspection plan: score, bound and gap, beside the original specification's settings and a plan by hand."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.data import DATA
from benchmarks.planner_cases import made_problem
from services.planner.domain.problem import Problem
from services.planner.library import (
    Progress,
    SearchKind,
    SolvedPlan,
    SolveOptions,
    Termination,
    read_problem,
    score,
    solve,
    warm_up,
)

MADE = ((2000, 100), (5000, 250))
SECONDS = tuple(float(text) for text in os.environ.get("PLANNER_SECONDS", "10,60").split(","))
# First Fit, late acceptance of 80 steps, one accepted move.
SOURCE = SolveOptions(search=SearchKind.LATE_ACCEPTANCE, late_acceptance_size=80, threads=1)


def main() -> None:
    """Print what the search reaches in some seconds, for each case."""
    with tempfile.TemporaryDirectory() as cache:
        warm_up(Path(cache))
        for name, problem, by_hand in _cases():
            read = read_problem(problem)
            explained = score(read, by_hand).explanation
            print(f"  {name:12s} by hand          {explained.score if explained else 'breaks a rule of form'}")
            for seconds in SECONDS:
                _show(name, "source settings", *_solved(read, SOURCE, seconds))
                _show(name, "portfolio", *_solved(read, SolveOptions(), seconds))


def _cases() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    if DATA.is_dir():
        for case in ("article", "d500"):
            problem = json.loads((DATA / "planner" / f"{case}.json").read_text(encoding="utf-8"))
            by_hand = json.loads((DATA / "planner" / f"{case}.past_plan.json").read_text(encoding="utf-8"))
            yield case, problem, by_hand
    else:
        print(f"  article and d500 are left out: no folder {DATA}; FUTAGO_DATA names the folder of data")
    for devices, areas in MADE:
        yield f"{devices} devices", *made_problem(devices, areas, seed=1)


def _solved(problem: Problem, options: SolveOptions, seconds: float) -> tuple[SolvedPlan, float, float | None]:
    """Return the plan, when the last better one was seen, and when the first without a broken hard rule was [s]."""
    seen: list[Progress] = []
    solved = solve(problem, options=options, termination=Termination(seconds=seconds), on_progress=seen.append)
    best_s = next((entry.seconds for entry in seen if entry.score == solved.score), solved.seconds)
    kept_s = next((entry.seconds for entry in seen if not any(entry.score.units[:-1])), None)
    return solved, best_s, kept_s


def _show(name: str, way: str, solved: SolvedPlan, best_s: float, kept_s: float | None) -> None:
    optimality = solved.optimality
    gap = "no gap proven" if optimality.gap is None else f"bound {optimality.bound} gap {optimality.gap:.2%}"
    rate = solved.steps / solved.seconds / 1e6
    kept = "never" if kept_s is None else f"{kept_s:.1f} s"
    print(
        f"  {name:12s} {way:15s} {solved.seconds:4.0f} s  {solved.score}  {gap}  best after {best_s:.0f} s,"
        f" hard rules kept after {kept}  {rate:.1f} million moves a second"
    )
