"""Experiments as JSON."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat

from services.twin.domain.comparison import Comparison, Difference, Verdict
from services.twin.domain.experiment_report import ArmReport, ExperimentReport, Quality, in_words
from services.twin.domain.experiments import Arm, ExperimentInvalid, Plan, Sticky
from services.twin.schemas.base import NAME_PATTERN, WireAnswer
from shared.clock import rfc3339

Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class ShadowBody(BaseModel):
    """A version whose answers are compared and never returned."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    version: Name


class VariantBody(ShadowBody):
    """A version that gets its share of the requests."""

    # Strict, because `true` is no weight.
    weight: StrictFloat | None = Field(
        None, description="share of the requests in proportion to the others; left out for all, the shares are equal"
    )


class ExperimentBody(BaseModel):
    """Which versions answer, and what the first of them is compared with."""

    model_config = ConfigDict(extra="forbid")

    variants: list[VariantBody] = Field(min_length=1)
    sticky: Sticky = Field(
        Sticky.KEY,
        description="`key`: the same `sticky_key`, or else the same asset, is always answered by the same variant;"
        " `request`: chance, anew for each request",
    )
    shadow: list[ShadowBody] = []

    def to_plan(self) -> Plan:
        """The domain's form; raises `ExperimentInvalid` if the experiment contradicts itself."""
        weights = [variant.weight for variant in self.variants]
        given = [weight for weight in weights if weight is not None]
        if given and len(given) < len(weights):
            raise ExperimentInvalid("give each variant a weight, or none of them")
        shares = given or [1.0 / len(weights)] * len(weights)
        return Plan(
            variants=tuple(
                Arm(variant.name, variant.version, share) for variant, share in zip(self.variants, shares, strict=True)
            ),
            shadows=tuple(Arm(shadow.name, shadow.version) for shadow in self.shadow),
            sticky=self.sticky,
        )


class PromotionRequest(BaseModel):
    """Whose version shall answer from now on."""

    model_config = ConfigDict(extra="forbid")

    variant: Name


class ObservedQuality(WireAnswer):
    """How far a version was off on what was measured since the experiment began [unit of the target]."""

    n: int
    rmse: float
    mae: float
    bias: float = Field(description="mean of actual minus prediction")
    coverage: float = Field(description="share of the values inside their interval")
    mean_width: float

    @classmethod
    def of(cls, quality: Quality) -> Self:
        """The wire form."""
        return cls(
            n=quality.rows,
            rmse=quality.rmse,
            mae=quality.mae,
            bias=quality.bias,
            coverage=quality.coverage,
            mean_width=quality.mean_width,
        )


class DifferenceResponse(WireAnswer):
    """Error of the version minus error of the first one; below zero where it is better [unit of the target].

    Interval and p-value hold however often one looks.
    """

    difference: float
    lower: float
    upper: float
    p_value: float

    @classmethod
    def of(cls, found: Difference) -> Self:
        """The wire form."""
        ends = {"lower": found.mean - found.half_width, "upper": found.mean + found.half_width}
        return cls(difference=found.mean, p_value=found.p_value, **ends)


class ComparisonResponse(WireAnswer):
    """A version beside the first variant, on observations that both were compared with."""

    baseline: str
    n: int
    level: float = Field(description="probability with which the interval holds, at all times at once")
    rmse: DifferenceResponse
    mae: DifferenceResponse
    verdict: Verdict
    more_observations_needed: int | None = Field(description="about how many, if the difference stays as it is")

    @classmethod
    def of(cls, found: Comparison, *, baseline: str, level: float) -> Self:
        """The wire form."""
        return cls(
            baseline=baseline,
            n=found.rows,
            level=level,
            rmse=DifferenceResponse.of(found.rmse),
            mae=DifferenceResponse.of(found.mae),
            verdict=found.verdict,
            more_observations_needed=found.needed,
        )


class ArmResponse(WireAnswer):
    """What is known of a variant or a shadow."""

    name: str
    version: str
    observations: ObservedQuality | None
    comparison: ComparisonResponse | None = Field(description="with the first variant; none for that one itself")
    verdict: str | None = Field(description="the comparison in words")


class VariantResponse(ArmResponse):
    """A variant, and what it answered since the experiment began, on all replicas together."""

    weight: float
    share: float = Field(description="its part of the requests")
    predictions: int
    cache_hits: int
    cache_hit_rate: float | None
    fail_safes: int = Field(description="predictions that were held or came from the surrogate")
    refused: int = Field(description="rows without a prediction")
    failed: int = Field(description="rows that the version itself had no answer for in time, held ones included")


class ShadowResponse(ArmResponse):
    """A shadow, and how its answers differ from those given [unit of the target]."""

    compared: int
    mean_abs_difference: float | None
    max_abs_difference: float | None
    failed: int = Field(description="answers it did not give, or was not asked for as there was too much to do")


class ExperimentResponse(WireAnswer):
    """The experiment on a model, and what it has shown so far."""

    model: str
    sticky: Sticky
    started_at: str
    started_by: str
    unit: str | None
    variants: list[VariantResponse]
    shadow: list[ShadowResponse]

    @classmethod
    def of(cls, report: ExperimentReport) -> Self:
        """The wire form of a report."""
        experiment = report.experiment
        return cls(
            model=experiment.model,
            sticky=experiment.plan.sticky,
            started_at=rfc3339(experiment.started_at),
            started_by=experiment.started_by,
            unit=report.unit,
            variants=[
                _variant(arm, report, weight, share)
                for arm in report.arms
                if (weight := arm.arm.weight) is not None and (share := arm.share) is not None
            ],
            shadow=[_shadow(arm, report) for arm in report.arms if arm.arm.weight is None],
        )


def _variant(found: ArmReport, report: ExperimentReport, weight: float, share: float) -> VariantResponse:
    counts = found.counts
    return VariantResponse(
        name=found.arm.name,
        version=found.arm.version,
        weight=weight,
        share=share,
        predictions=counts.predictions,
        cache_hits=counts.cache_hits,
        cache_hit_rate=counts.cache_hit_rate,
        fail_safes=counts.fail_safes,
        refused=counts.refused,
        failed=counts.failed,
        observations=_observations(found),
        comparison=_comparison(found, report),
        verdict=_words(found, report),
    )


def _shadow(found: ArmReport, report: ExperimentReport) -> ShadowResponse:
    counts = found.counts
    return ShadowResponse(
        name=found.arm.name,
        version=found.arm.version,
        compared=counts.compared,
        mean_abs_difference=counts.difference_mean,
        max_abs_difference=counts.difference_max if counts.compared else None,
        failed=counts.failed,
        observations=_observations(found),
        comparison=_comparison(found, report),
        verdict=_words(found, report),
    )


def _observations(found: ArmReport) -> ObservedQuality | None:
    return None if found.quality is None else ObservedQuality.of(found.quality)


def _first(report: ExperimentReport) -> str:
    return report.arms[0].arm.name


def _comparison(found: ArmReport, report: ExperimentReport) -> ComparisonResponse | None:
    if found.comparison is None:
        return None
    return ComparisonResponse.of(found.comparison, baseline=_first(report), level=report.level)


def _words(found: ArmReport, report: ExperimentReport) -> str | None:
    return None if found is report.arms[0] else in_words(found, first=_first(report), unit=report.unit)
