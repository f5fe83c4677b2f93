"""Predictions as JSON, as the contract promises them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, FailFast, Field

from services.twin.domain.prediction import BatchPrediction, Prediction
from services.twin.domain.serving import Answer
from services.twin.schemas.base import Inputs, WireAnswer
from services.twin.schemas.prediction_documents import batch_document, prediction_document
from shared.errors import JSON


class PredictionInterval(WireAnswer):
    """Where the true value lies with the given probability [unit of the prediction]."""

    lower: float
    upper: float
    level: float


class ApplicabilityState(WireAnswer):
    """Whether the inputs resemble the training rows; `features` are those that put them at the edge or outside."""

    state: Literal["in", "edge", "out"]
    features: list[str]


class InputWarning(WireAnswer):
    """Something about one input that a person should look into; the prediction stands."""

    code: Literal["stuck"] = Field(description="`stuck`: the sensor repeats one value, reading after reading")
    feature: str
    detail: str


AnswerStatus = Annotated[
    Literal["ok", "hold", "fallback"],
    Field(
        description="`ok`: computed from these inputs; `hold`: the last good prediction, `age_s` old; `fallback`: from "
        "the model's linear surrogate, without the inputs that are Bad"
    ),
]


class PredictionResponse(WireAnswer):
    """One prediction with its interval."""

    model: str
    version: str
    prediction: float
    unit: str | None
    prediction_interval: PredictionInterval
    applicability: ApplicabilityState
    status: AnswerStatus
    age_s: float = Field(description="age of the inputs behind the prediction [s]; 0 for these inputs")
    from_cache: bool
    variant: str | None = Field(description="the variant of an experiment that answered, if there is one")
    warnings: list[InputWarning]
    inference_time_ms: float
    timestamp: str
    user: str
    request_id: str

    @classmethod
    def of(cls, answer: Answer[Prediction], *, user: str, request_id: str) -> Self:
        """The wire form of an answer."""
        return cls.model_validate(prediction_document(answer, user=user, request_id=request_id))


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
    status: AnswerStatus
    prediction: float
    prediction_interval: PredictionInterval
    applicability: ApplicabilityState
    age_s: float


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
    variant: str | None
    results: list[BatchResult | BatchError]
    inference_time_ms: float
    timestamp: str
    request_id: str

    @classmethod
    def of(
        cls, answer: Answer[BatchPrediction], inputs: Sequence[Mapping[str, JSON]], *, user: str, request_id: str
    ) -> Self:
        """The wire form of an answer."""
        return cls.model_validate(batch_document(answer, inputs, user=user, request_id=request_id))
