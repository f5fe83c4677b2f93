"""How the benchmarks of the planner run a case, and what they print of it."""

import json
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.data import DATA
from services.planner.domain.problem import Problem
from services.planner.library import Progress, SolvedPlan, SolveOptions, Termination, score, solve
from services.planner.solver.begin import begin
from services.planner.solver.lane import resumed
from services.planner.solver.late_acceptance import remember, search
from services.planner.solver.model import build_model
from services.planner.solver.moves import seed_random

LIST_SIZE = 80
BATCH_MOVES = 50_000


@dataclass(frozen=True, slots=True)
class Run:
    """A solve, the better plans on the way, and the processor time of all its threads [s]."""

    solved: SolvedPlan
    seen: list[Progress]
    cpu_s: float

    def first_s(self, *, at_least: int | None = None) -> float | None:
        """Return when the first plan was shown that breaks no rule but soft ones, and scores so well [s]."""
        return next(
            (
                entry.seconds
                for entry in self.seen
                if not any(entry.score.units[:-1])
                and (at_least is None or entry.score.units[-1] >= at_least * 10**entry.score.decimals)
            ),
            None,
        )


def use_every_core() -> None:
    """Take back that benchmarks stay on one core: the portfolio searches on two."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


def stored_case(name: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return a stored problem and its plan by hand; nothing if there is no folder of data."""
    if not DATA.is_dir():
        print(f"  {name} is left out: no folder {DATA}; FUTAGO_DATA names the folder of data")
        return None
    texts = [(DATA / "planner" / f"{name}{end}.json").read_text(encoding="utf-8") for end in ("", ".past_plan")]
    problem, by_hand = (json.loads(text) for text in texts)
    return problem, by_hand


def run(problem: Problem, options: SolveOptions, seconds: float) -> Run:
    """Search for so long."""
    seen: list[Progress] = []
    began_s = time.process_time()
    solved = solve(problem, options=options, termination=Termination(seconds=seconds), on_progress=seen.append)
    return Run(solved, seen, time.process_time() - began_s)


def plain_late_acceptance(problem: Problem, seconds: float) -> tuple[tuple[int, ...], int, float]:
    """Search as the original specification does: First Fit, a list of 80, one accepted move, nothing else.

    Returns
    -------
    tuple
        Cost by level [10**-decimals points], moves tried, and processor time [s].
    """
    began_s, began_cpu_s, moves = time.perf_counter(), time.process_time(), 0
    model = build_model(problem)
    state = resumed(model, begin(problem, model, SolveOptions(), None).first)
    memory, random = remember(state, LIST_SIZE), seed_random(0)
    while time.perf_counter() - began_s < seconds:
        search(model, state, memory, random, BATCH_MOVES)
        moves += BATCH_MOVES
    cost = tuple(int(part) for part in np.asarray(memory.best_cost))
    return cost, moves, time.process_time() - began_cpu_s


def show(name: str, way: str, ran: Run) -> None:
    """Print what a search came to."""
    solved, optimality = ran.solved, ran.solved.optimality
    gap = "no gap proven" if optimality.gap is None else f"bound {optimality.bound} gap {optimality.gap:.2%}"
    kept_s = ran.first_s()
    kept = "never" if kept_s is None else f"after {kept_s:.2f} s"
    print(
        f"  {name:12s} {way:22s} {solved.seconds:5.1f} s  {solved.score}  {gap}  hard rules kept {kept}"
        f"  {solved.steps / ran.cpu_s / 1e6:.2f} million moves a CPU-second  {load()}",
        flush=True,
    )


def show_by_hand(name: str, problem: Problem, by_hand: dict[str, Any]) -> None:
    """Print the score of a plan made by hand."""
    explained = score(problem, by_hand).explanation
    print(f"  {name:12s} by hand  {explained.score if explained else 'breaks a rule of form'}")


def load() -> str:
    """Return how busy the machine is: figures of a busy one are too low."""
    return f"(load {os.getloadavg()[0]:.1f})"
