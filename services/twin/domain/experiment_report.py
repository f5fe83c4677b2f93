"""What an experiment has shown so far: what each arm answered, how far it was off, and how it compares."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.twin.domain.comparison import LEVEL, Comparison, Vector, Verdict, compare
from services.twin.domain.experiments import Arm, Experiment, Plan
from services.twin.domain.registry import ModelVersion


@dataclass(frozen=True, slots=True)
class Counts:
    """What all replicas counted of one arm since the experiment began.

    Parameters
    ----------
    predictions
        Answers of a variant; `cache_hits` and `fail_safes` are among them.
    refused
        Rows that a variant gave no prediction for, whatever the reason.
    failed
        Rows that the version itself had no answer for in time, though something may have stood in; for a shadow also
        those left out because there was too much to do.
    compared
        Answers of a shadow beside those of the variants; of these the differences.
    difference_sum, difference_max
        Sum and largest of the absolute differences [unit of the target].
    """

    predictions: int = 0
    cache_hits: int = 0
    fail_safes: int = 0
    refused: int = 0
    failed: int = 0
    compared: int = 0
    difference_sum: float = 0.0
    difference_max: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            predictions=self.predictions + other.predictions,
            cache_hits=self.cache_hits + other.cache_hits,
            fail_safes=self.fail_safes + other.fail_safes,
            refused=self.refused + other.refused,
            failed=self.failed + other.failed,
            compared=self.compared + other.compared,
            difference_sum=self.difference_sum + other.difference_sum,
            difference_max=max(self.difference_max, other.difference_max),
        )

    @property
    def cache_hit_rate(self) -> float | None:
        """Share of the answers that came from the cache [1]."""
        return self.cache_hits / self.predictions if self.predictions else None

    @property
    def difference_mean(self) -> float | None:
        """Mean absolute difference to what was answered [unit of the target]."""
        return self.difference_sum / self.compared if self.compared else None


@dataclass(frozen=True, slots=True)
class ObservedErrors:
    """How one version did on what was measured; each array `(n,)`, by the time of measurement.

    Parameters
    ----------
    groups
        The number of the observation, the same for every version.
    assets
        The equipment, as a number.
    errors
        Actual minus prediction [unit of the target].
    covered, widths
        Whether the interval held the value, and how wide it was [unit of the target].
    """

    groups: NDArray[np.int64]
    assets: NDArray[np.int64]
    errors: Vector
    covered: NDArray[np.bool_]
    widths: Vector


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one version on the observations since the experiment began.

    Parameters
    ----------
    rmse, mae, bias, mean_width
        [unit of the target]; the bias is the mean of actual minus prediction.
    coverage
        Share of the values inside their interval [1].
    """

    rows: int
    rmse: float
    mae: float
    bias: float
    coverage: float
    mean_width: float


@dataclass(frozen=True, slots=True)
class ArmReport:
    """One arm; `comparison` is with the first variant, and `None` for that one or without observations."""

    arm: Arm
    share: float | None
    counts: Counts
    quality: Quality | None
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """The experiment with its arms, the first variant at the head.

    Parameters
    ----------
    unit
        Of the target.
    level
        Probability with which each interval of a comparison holds, so that all hold together with 95 % [1].
    """

    experiment: Experiment
    arms: tuple[ArmReport, ...]
    unit: str | None
    level: float


class ExperimentDesk(Protocol):
    """What people do with experiments; every replica follows within two seconds."""

    async def start(self, model: str, plan: Plan, *, user: str) -> ExperimentReport:
        """Begin an experiment, or change the one that runs; one that compares the same goes on counting.

        Raises
        ------
        ModelMissing, VersionMissing, ModelBuiltIn
            If there is no such version in the registry.
        VersionUnusable
            If one can no longer be loaded.
        """
        ...

    async def report(self, model: str) -> ExperimentReport:
        """What has been found so far.

        Raises
        ------
        ModelMissing, ExperimentMissing
            If there is none.
        """
        ...

    async def end(self, model: str) -> None:
        """End the experiment: the active version answers. Raises as `report`."""
        ...

    async def promote(self, model: str, variant: str) -> ModelVersion:
        """End the experiment and make the version of a variant or shadow the active one, in one step.

        Raises
        ------
        ModelMissing, ExperimentMissing, VariantMissing
            If there is none.
        """
        ...


def make_report(
    experiment: Experiment,
    counts: Mapping[str, Counts],
    observed: Mapping[str, ObservedErrors],
    *,
    unit: str | None,
) -> ExperimentReport:
    """Put together what was counted and what was measured.

    Parameters
    ----------
    counts
        By the name of the arm.
    observed
        By version.
    """
    plan = experiment.plan
    shares = plan.shares
    first = observed.get(plan.variants[0].version)
    # Each of several comparisons gets its part of the risk (Bonferroni), so that the level holds for all together.
    level = 1.0 - (1.0 - LEVEL) / (len(plan.arms) - 1)
    reports = [
        ArmReport(
            arm=arm,
            share=shares.get(arm.name),
            counts=counts.get(arm.name, Counts()),
            quality=_quality(observed.get(arm.version)),
            comparison=None if place == 0 else _compare(first, observed.get(arm.version), level),
        )
        for place, arm in enumerate(plan.arms)
    ]
    return ExperimentReport(experiment, tuple(reports), unit, level)


def in_words(report: ArmReport, *, first: str, unit: str | None) -> str:
    """What the comparison says, for a person who decides about a promotion."""
    found, name = report.comparison, report.arm.name
    if found is None:
        return "undecided: no observation was compared with both versions yet"
    in_unit = f" {unit}" if unit else ""
    size = f"{abs(found.rmse.mean):.3g} ± {found.rmse.half_width:.2g}{in_unit} RMSE"
    basis = f"{found.rows} observations"
    if found.verdict is not Verdict.UNDECIDED:
        return f"{name} {found.verdict.value} than {first} by {size} ({basis})"
    if found.needed is None:
        return f"undecided: no difference between {name} and {first} that would ever matter ({basis})"
    return f"undecided: about {found.needed} more observations needed if the difference stays as it is ({basis})"


def _quality(observed: ObservedErrors | None) -> Quality | None:
    if observed is None or not len(observed.errors):
        return None
    return Quality(
        rows=len(observed.errors),
        rmse=math.sqrt(float(np.mean(observed.errors**2))),
        mae=float(np.mean(np.abs(observed.errors))),
        bias=float(np.mean(observed.errors)),
        coverage=float(np.mean(observed.covered)),
        mean_width=float(np.mean(observed.widths)),
    )


def _compare(first: ObservedErrors | None, other: ObservedErrors | None, level: float) -> Comparison | None:
    if first is None or other is None:
        return None
    # What one of them was not compared with tells nothing about the difference.
    _, in_first, in_other = np.intersect1d(first.groups, other.groups, assume_unique=True, return_indices=True)
    by_time = np.argsort(in_first)
    in_first, in_other = in_first[by_time], in_other[by_time]
    by_asset = np.argsort(first.assets[in_first], kind="stable")
    return compare(first.errors[in_first], other.errors[in_other], by_asset, level=level)
