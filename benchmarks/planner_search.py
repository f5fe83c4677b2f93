"""The yearly inspection plan: soft score after some seconds on one core, beside the plan made by hand."""

import json
import tempfile
from pathlib import Path

from benchmarks.data import DATA
from services.planner.library import Termination, read_problem, score, solve, warm_up

CASES = ("article", "d500")
SECONDS = (10.0, 30.0)


def main() -> None:
    """Print the score reached, and how many moves were tried a second, for each case and time."""
    if not DATA.is_dir():
        print(f"  left out: no folder {DATA}; FUTAGO_DATA names the folder of data")
        return
    with tempfile.TemporaryDirectory() as cache:
        warm_up(Path(cache))
        for case in CASES:
            problem = read_problem(json.loads((DATA / "planner" / f"{case}.json").read_text(encoding="utf-8")))
            by_hand = json.loads((DATA / "planner" / f"{case}.past_plan.json").read_text(encoding="utf-8"))
            explained = score(problem, by_hand).explanation
            print(f"  {case:8s} by hand {explained.score if explained else 'breaks a rule of form'}")
            for seconds in SECONDS:
                solved = solve(problem, termination=Termination(seconds=seconds))
                rate = solved.steps / solved.seconds / 1e6
                print(f"  {case:8s} {seconds:4.0f} s    {solved.score}   {rate:.1f} million moves a second")
