"""Observations and live quality as JSON; each answer is made from the domain's own type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field

from services.twin.domain.coverage import CoverageState
from services.twin.domain.live_settings import REFERENCE_LEVEL
from services.twin.domain.observations import from_ms
from services.twin.domain.observed import Observed, Outcome, Quality
from services.twin.schemas.base import WireAnswer
from services.twin.schemas.predictions import BatchFault, PredictionInterval
from shared.clock import rfc3339
from shared.errors import AppError

_LIST = "observations"

OBSERVATION_EXAMPLE = {
    "model": "power",
    "inputs": {"AT": 14.96, "V": 41.76, "AP": 1024.07, "RH": 73.17},
    "actual": 463.26,
    "timestamp": "2026-04-01T00:00:00Z",
    "asset": "acme.osaka.turbine.t1",
}


@dataclass(frozen=True, slots=True)
class Many:
    """The observations of a body that holds a list, and the JSON pointer to it."""

    documents: Sequence[Any]
    pointer: str


def many_in(body: Mapping[str, Any] | Sequence[Any]) -> Many | None:
    """The list in a body; `None` where the body is one observation."""
    if not isinstance(body, Mapping):
        return Many(body, "")
    if set(body) == {_LIST} and isinstance(body[_LIST], list):
        return Many(body[_LIST], f"/{_LIST}")
    return None


def assets_in(documents: Sequence[Any]) -> set[str | None]:
    """The assets that observations name; one that names none, or nothing that could be a name, counts as none."""
    named = (document.get("asset") if isinstance(document, Mapping) else None for document in documents)
    return {asset if isinstance(asset, str) else None for asset in named}


class ObservationFound(WireAnswer):
    """A measured value beside the prediction of its time."""

    model: str
    version: str
    asset: str | None
    timestamp: str = Field(description="when it was measured")
    actual: float
    prediction: float
    unit: str | None
    prediction_interval: PredictionInterval
    residual: float = Field(description="actual minus prediction [unit of the prediction]")
    covered: bool = Field(description="whether the interval held the measured value")
    learned: bool = Field(description="false where it is older than everything in a full window")
    duplicate: bool = Field(
        description="the same model, asset and time came before: nothing was changed, and this was found then"
    )


class ObservationResponse(ObservationFound):
    """What became of one observation."""

    user: str
    request_id: str

    @classmethod
    def of(cls, observed: Observed, *, user: str, request_id: str) -> Self:
        """The wire form of what was found."""
        return cls(**_found(observed), user=user, request_id=request_id)


class ObservationResult(ObservationFound):
    """What became of one of many observations."""

    index: int
    status: Literal["ok"]


class ObservationError(WireAnswer):
    """Why one of many observations was not taken; nothing was learned from it."""

    index: int
    status: Literal["error"]
    observation: Any
    error: str
    code: str
    errors: list[BatchFault]


class ObservationsResponse(WireAnswer):
    """The results in the order of the observations."""

    user: str
    total: int
    successful: int
    results: list[ObservationResult | ObservationError]
    request_id: str

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], documents: Sequence[Any], *, user: str, request_id: str) -> Self:
        """The wire form of what became of each."""
        return cls(
            user=user,
            total=len(outcomes),
            successful=sum(isinstance(outcome, Observed) for outcome in outcomes),
            results=[
                _result(index, outcome, document)
                for index, (outcome, document) in enumerate(zip(outcomes, documents, strict=True))
            ],
            request_id=request_id,
        )


class CoverageRange(WireAnswer):
    """Two shares."""

    lower: float
    upper: float


class CorrectionState(WireAnswer):
    """What observations change about the answers."""

    bias_update: bool
    adaptive: bool
    bias: float = Field(description="added to each prediction [unit of the prediction]")
    adapted_level: float | None = Field(description="which quantile of the recent scores serves the level 0.9 now")
    clamped: bool = Field(description="a level asks for more than the largest recent score, and gets that one")
    revision: int = Field(description="counts the changes of the live state")


class AlarmState(WireAnswer):
    """Whether coverage has left its band."""

    state: CoverageState
    since: str | None
    band: CoverageRange
    band_rows: int = Field(description="how many of the newest observations are looked at")


class ExpectedFigures(WireAnswer):
    """The card's figures on rows that the model never saw."""

    rmse: float | None
    mae: float | None
    coverage: float | None


class QualityResponse(WireAnswer):
    """How good a version is on what was measured, beside what its card promises."""

    model: str
    version: str
    unit: str | None
    level: float = Field(description="of the intervals whose coverage is told")
    rows: int = Field(description="observations so far")
    since: str | None = Field(description="the oldest measurement")
    last_observation: str | None = Field(description="the newest measurement")
    window_rows: int = Field(description="of the newest observations, those behind the figures below")
    window_limit_rows: int
    coverage: float | None
    coverage_range: CoverageRange | None = Field(description="where the true coverage lies, with 95 % confidence")
    rmse: float | None
    mae: float | None
    bias: float | None = Field(description="mean residual of the predictions as they were given out")
    correction: CorrectionState
    alarm: AlarmState
    expected: ExpectedFigures

    @classmethod
    def of(cls, quality: Quality) -> Self:
        """The wire form of what is known."""
        state, settings, figures = quality.state, quality.settings, quality.state.figures()
        return cls(
            model=quality.model,
            version=quality.version,
            unit=quality.unit,
            level=REFERENCE_LEVEL,
            rows=state.rows,
            since=_moment(state.since_ms),
            last_observation=_moment(state.last_observed_at_ms),
            window_rows=0 if figures is None else figures.rows,
            window_limit_rows=settings.window_rows,
            coverage=None if figures is None else figures.coverage,
            coverage_range=None
            if figures is None
            else CoverageRange(lower=figures.coverage_range[0], upper=figures.coverage_range[1]),
            rmse=None if figures is None else figures.rmse,
            mae=None if figures is None else figures.mae,
            bias=None if figures is None else figures.bias,
            correction=_correction(quality),
            alarm=AlarmState(
                state=state.alarm.state,
                since=_moment(state.alarm.since_ms),
                band=CoverageRange(lower=settings.coverage_band.lower, upper=settings.coverage_band.upper),
                band_rows=settings.coverage_band.rows,
            ),
            expected=ExpectedFigures(
                rmse=quality.expectation.rmse, mae=quality.expectation.mae, coverage=quality.expectation.coverage
            ),
        )


def _correction(quality: Quality) -> CorrectionState:
    correction = quality.state.correction
    return CorrectionState(
        bias_update=quality.settings.bias_update,
        adaptive=quality.settings.adaptive,
        bias=0.0 if correction is None else correction.bias,
        adapted_level=quality.state.adapted_level,
        clamped=correction is not None and correction.scores is not None and correction.scores.clamped,
        revision=quality.state.revision,
    )


def _found(observed: Observed) -> dict[str, Any]:
    verdict = observed.verdict
    return {
        "model": observed.model,
        "version": observed.version,
        "asset": observed.asset,
        "timestamp": rfc3339(observed.observed_at),
        "actual": observed.actual,
        "prediction": verdict.prediction,
        "unit": observed.unit,
        "prediction_interval": PredictionInterval(lower=verdict.lower, upper=verdict.upper, level=REFERENCE_LEVEL),
        "residual": verdict.residual,
        "covered": verdict.covered,
        "learned": verdict.learned,
        "duplicate": observed.duplicate,
    }


def _result(index: int, outcome: Outcome, document: Any) -> ObservationResult | ObservationError:
    if not isinstance(outcome, AppError):
        return ObservationResult(index=index, status="ok", **_found(outcome))
    return ObservationError(
        index=index,
        status="error",
        observation=document,
        error="; ".join(fault.detail for fault in outcome.faults) or outcome.message,
        code=outcome.code,
        errors=[
            BatchFault.model_validate({**fault.facts, "pointer": fault.pointer, "detail": fault.detail})
            for fault in outcome.faults
        ],
    )


def _moment(moment_ms: int | None) -> str | None:
    return None if moment_ms is None else rfc3339(from_ms(moment_ms))
