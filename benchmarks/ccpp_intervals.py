"""Intervals of 90 % on the Combined Cycle Power Plant, official 5x2 folds: what is promised and what is kept.

Each half trains and calibrates (out of fold), the other half judges; nothing is chosen or tuned on a judging half. The
last two columns are what the card would have said beforehand.
"""

from collections import defaultdict
from collections.abc import Iterator
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor

from benchmarks.data import DATA
from services.twin.domain.bundle_layout import LOWER_QUANTILE, SPREAD, UPPER_QUANTILE
from services.twin.domain.intervals import Outputs, judge
from services.twin.packaging.calibration import ChosenInterval, IntervalChoice, choose_interval
from services.twin.packaging.held_out import gather_evidence
from services.twin.packaging.reference import Reference
from services.twin.packaging.training_data import TrainingData

LEVEL = 0.9


class Row(NamedTuple):
    """One line of the table: kept on the judging half, and said by the card (NaN where there is no card)."""

    coverage: float
    width: float
    winkler: float
    said_coverage: float
    said_winkler: float


def main() -> None:
    """Print the mean of the ten halves for every model and method."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for train, test in halves():
        forest = RandomForestRegressor(10, max_depth=5, random_state=0).fit(train.rows, train.target)
        found["RandomForest(10, depth 5)", "percentiles of the trees"].append(_percentiles(forest, test))
        for name, (model, choices) in models().items():
            model.fit(train.rows, train.target)
            for choice, row in _measure(model, choices, train, test).items():
                found[name, choice].append(row)
    print(f"  {'model':24s} {'interval':26s} coverage  width MW  Winkler MW   said: coverage, Winkler")
    for (name, choice), rows in found.items():
        coverage, width, winkler, *said = (fmean(column) for column in zip(*rows, strict=True))
        print(f"  {name:24s} {choice:26s} {coverage:8.3f} {width:9.2f} {winkler:11.2f} {said[0]:16.3f} {said[1]:8.2f}")


def models() -> dict[str, tuple[Any, tuple[IntervalChoice, ...]]]:
    """Recipes with parameters set beforehand, and the methods to try on each."""
    return {
        "RandomForest(10, depth 5)": (RandomForestRegressor(10, max_depth=5, random_state=0), ("split",)),
        "ExtraTrees(50)": (ExtraTreesRegressor(50, random_state=0), ("split", "normalized")),
        "HistGradientBoosting(200)": (
            HistGradientBoostingRegressor(max_iter=200, min_samples_leaf=10, random_state=0),
            ("split", "normalized", "cqr", "auto"),
        ),
    }


def halves() -> Iterator[tuple[TrainingData, TrainingData]]:
    """Training and judging half, ten times."""
    for shuffle in range(1, 6):
        path = DATA / "regression" / f"ccpp_fold_shuffle{shuffle}.csv.gz"
        table = np.loadtxt(path, delimiter=",", skiprows=1)
        middle = len(table) // 2
        parts = [TrainingData(part[:, :4], part[:, 4]) for part in (table[:middle], table[middle:])]
        yield parts[0], parts[1]
        yield parts[1], parts[0]


def _measure(
    model: Any, choices: tuple[IntervalChoice, ...], train: TrainingData, test: TrainingData
) -> dict[str, Row]:
    reference = Reference(model)
    evidence = gather_evidence(reference, train, None)
    rows = {}
    for choice in choices:
        chosen = choose_interval(evidence, choice)
        lower, upper = chosen.calibration.bounds(_outputs(reference, chosen, test.rows), LEVEL)
        kept = judge(test.target, lower, upper, LEVEL)
        said = chosen.selection or next(entry.report for entry in chosen.evaluation if entry.level == LEVEL)
        rows[choice] = Row(kept.coverage, kept.width, kept.winkler, said.coverage, said.winkler)
    return rows


def _outputs(reference: Reference, chosen: ChosenInterval, rows: NDArray[np.float64]) -> Outputs:
    """What the graph of a bundle computes."""
    aids = {output: Reference(model).predict(rows) for output, model in chosen.aids.items()}
    spread = np.maximum(aids[SPREAD], 0.0) if SPREAD in aids else reference.spread(rows)
    return Outputs(reference.predict(rows), spread, aids.get(LOWER_QUANTILE), aids.get(UPPER_QUANTILE))


def _percentiles(forest: RandomForestRegressor, test: TrainingData) -> Row:
    """The textbook's interval: 5 % and 95 % of what the trees say, without any calibration."""
    answers = np.stack([tree.predict(test.rows) for tree in forest.estimators_])
    lower, upper = np.percentile(answers, [5.0, 95.0], axis=0)
    report = judge(test.target, lower, upper, LEVEL)
    return Row(report.coverage, report.width, report.winkler, float("nan"), float("nan"))
