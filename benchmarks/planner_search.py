"""The yearly inspection plan: the portfolio beside plain late acceptance at equal time, and ten seeds."""

import tempfile
from pathlib import Path

from benchmarks.planner_runs import load, plain_late_acceptance, run, show, show_by_hand, stored_case, use_every_core
from services.planner.domain.problem import Problem
from services.planner.library import SolveOptions, read_problem, warm_up

SECONDS = 15.0
SEEDS, SEED_SECONDS = 10, 5.0


def main() -> None:
    """Print what each way reaches in some seconds, and how far apart the plans of ten seeds are."""
    use_every_core()
    with tempfile.TemporaryDirectory() as cache:
        warm_up(Path(cache))
        for name in ("article", "d500"):
            stored = stored_case(name)
            if stored is None:
                continue
            problem = read_problem(stored[0])
            show_by_hand(name, problem, stored[1])
            _show_plain(name, problem)
            show(name, "portfolio, 2 threads", run(problem, SolveOptions(), SECONDS))
            if name == "article":
                _show_seeds(name, problem)


def _show_plain(name: str, problem: Problem) -> None:
    cost, moves, cpu_s = plain_late_acceptance(problem, SECONDS)
    points = " / ".join(f"{0 - part / 10**problem.decimals:g}" for part in cost)
    print(
        f"  {name:12s} First Fit, late acceptance of 80, one accepted, 1 thread  {SECONDS:.0f} s  {points}"
        f"  {moves / cpu_s / 1e6:.2f} million moves a CPU-second  {load()}",
        flush=True,
    )


def _show_seeds(name: str, problem: Problem) -> None:
    costs = [run(problem, SolveOptions(seed=seed), SEED_SECONDS).solved.optimality for seed in range(SEEDS)]
    units = [entry.cost_units for entry in costs]
    spread = (max(units) - min(units)) / min(units)
    points = sorted(unit / 10**problem.decimals for unit in units)
    worst = f"worst {spread:.2%} above best"
    print(f"  {name:12s} {SEEDS} seeds, {SEED_SECONDS:.0f} s: cost {points}, {worst}  {load()}")


if __name__ == "__main__":
    main()
