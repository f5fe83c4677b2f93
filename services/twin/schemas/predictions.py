"""Predictions as JSON; each answer is made from the domain's own type."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, FailFast, Field

from services.twin.domain.prediction import BatchPrediction, Prediction, Refusal
from services.twin.domain.predictor import Answer
from services.twin.schemas.base import Inputs, WireAnswer
from shared.clock import rfc3339


class PredictionInterval(WireAnswer):
    """Where the true value lies with the given probability [unit of the prediction]."""

    lower: float
    upper: float
    level: float


class ApplicabilityState(WireAnswer):
    """Whether the inputs resemble the training rows; `features` are those that put them at the edge or outside."""

    state: Literal["in", "edge", "out"]
    features: list[str]


class PredictionResponse(WireAnswer):
    """One prediction with its interval."""

    model: str
    version: str
    prediction: float
    unit: str | None
    prediction_interval: PredictionInterval
    applicability: ApplicabilityState
    status: Literal["ok"] = Field(description="`ok`: computed from these inputs, just now")
    age_s: float = Field(description="age of the inputs behind the prediction [s]; 0 for these inputs")
    from_cache: bool
    variant: str | None = Field(description="the variant of an experiment that answered, if there is one")
    inference_time_ms: float
    timestamp: str
    user: str
    request_id: str

    @classmethod
    def of(cls, answer: Answer[Prediction], *, user: str, request_id: str) -> Self:
        """The wire form of an answer."""
        found = answer.content
        return cls(
            model=found.model,
            version=found.version,
            prediction=found.prediction,
            unit=found.unit,
            prediction_interval=_interval(found),
            applicability=_applicability(found),
            status="ok",
            age_s=0.0,
            from_cache=False,
            variant=None,
            inference_time_ms=round(answer.duration_s * 1000, 4),
            timestamp=rfc3339(answer.answered_at),
            user=user,
            request_id=request_id,
        )


class BatchRequest(BaseModel):
    """Inputs to predict, in order."""

    model_config = ConfigDict(extra="forbid")

    # The first input that is no object ends the reading: a fault for each of a million would take seconds to write.
    inputs: Annotated[list[Inputs], FailFast()]


class BatchFault(WireAnswer):
    """One thing wrong with one input; further members are facts such as the valid range."""

    model_config = ConfigDict(extra="allow")

    pointer: str
    detail: str


class BatchResult(WireAnswer):
    """What became of one input."""

    index: int
    input: Inputs
    status: Literal["ok"]
    prediction: float
    prediction_interval: PredictionInterval
    applicability: ApplicabilityState


class BatchError(WireAnswer):
    """Why one input was not predicted."""

    index: int
    input: Inputs
    status: Literal["error"]
    error: str
    code: str
    errors: list[BatchFault]


class BatchResponse(WireAnswer):
    """The results in the order of the inputs."""

    model: str
    version: str
    unit: str | None
    user: str
    total: int
    successful: int
    results: list[BatchResult | BatchError]
    inference_time_ms: float
    timestamp: str
    request_id: str

    @classmethod
    def of(cls, answer: Answer[BatchPrediction], inputs: list[Inputs], *, user: str, request_id: str) -> Self:
        """The wire form of an answer."""
        batch = answer.content
        return cls(
            model=batch.model,
            version=batch.version,
            unit=batch.unit,
            user=user,
            total=len(inputs),
            successful=batch.successful,
            results=[
                _result(index, row, result)
                for index, (row, result) in enumerate(zip(inputs, batch.results, strict=True))
            ],
            inference_time_ms=round(answer.duration_s * 1000, 4),
            timestamp=rfc3339(answer.answered_at),
            request_id=request_id,
        )


def _interval(found: Prediction) -> PredictionInterval:
    return PredictionInterval(lower=found.lower, upper=found.upper, level=found.level)


def _applicability(found: Prediction) -> ApplicabilityState:
    return ApplicabilityState(state=found.applicability.state.value, features=list(found.applicability.features))


def _result(index: int, row: Inputs, result: Prediction | Refusal) -> BatchResult | BatchError:
    if isinstance(result, Prediction):
        return BatchResult(
            index=index,
            input=row,
            status="ok",
            prediction=result.prediction,
            prediction_interval=_interval(result),
            applicability=_applicability(result),
        )
    faults = [
        BatchFault.model_validate({**fault.facts, "pointer": fault.pointer, "detail": fault.detail})
        for fault in result.faults
    ]
    message = "; ".join(fault.detail for fault in result.faults) or result.message
    return BatchError(index=index, input=row, status="error", error=message, code=result.code, errors=faults)
