"""The twin's requests and answers as JSON; each answer is made from the domain's own type."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, FailFast, Field, StrictFloat

from services.twin.domain.alert_rules import DEFAULT_COOLDOWN_S, AlertRules
from services.twin.domain.prediction import BatchPrediction, Prediction, Refusal
from services.twin.domain.predictor import Answer
from services.twin.domain.registry import ModelEntry, ModelPage, ModelVersion
from shared.clock import rfc3339
from shared.contracts.alert import Severity

# What a published model or version may be called; anything else is refused before it reaches the database.
NAME_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"

# Values by feature name; each a number or {"value", "quality", "timestamp"}. The model's own reader checks them.
Inputs = dict[str, Any]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class PredictionInterval(_Answer):
    """Where the true value lies with the given probability [unit of the prediction]."""

    lower: float
    upper: float
    level: float


class ApplicabilityState(_Answer):
    """Whether the inputs resemble the training rows; `features` are those that put them at the edge or outside."""

    state: Literal["in", "edge", "out"]
    features: list[str]


class PredictionResponse(_Answer):
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


class BatchFault(_Answer):
    """One thing wrong with one input; further members are facts such as the valid range."""

    model_config = ConfigDict(extra="allow")

    pointer: str
    detail: str


class BatchResult(_Answer):
    """What became of one input."""

    index: int
    input: Inputs
    status: Literal["ok"]
    prediction: float
    prediction_interval: PredictionInterval
    applicability: ApplicabilityState


class BatchError(_Answer):
    """Why one input was not predicted."""

    index: int
    input: Inputs
    status: Literal["error"]
    error: str
    code: str
    errors: list[BatchFault]


class BatchResponse(_Answer):
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


class ModelVersionResponse(_Answer):
    """The card of one version; members beyond these are the card's own: features, target, training, interval …"""

    model_config = ConfigDict(extra="allow")

    name: str
    version: str
    state: Literal["active", "previous", "published"]
    digest: str
    size_bytes: int
    published_at: str | None
    published_by: str | None

    @classmethod
    def of(cls, version: ModelVersion) -> Self:
        """The wire form of a version."""
        return cls(**{**version.card, **_facts(version)})


class VersionSummary(_Answer):
    """A version in the list of its model."""

    version: str
    state: Literal["active", "previous", "published"]
    digest: str
    size_bytes: int
    published_at: str | None
    published_by: str | None


class ModelResponse(ModelVersionResponse):
    """The card of a model's active version, and all its versions with the newest first."""

    versions: list[VersionSummary]

    @classmethod
    def of_entry(cls, entry: ModelEntry) -> Self:
        """The wire form of a model."""
        summaries = [VersionSummary(**_facts(version)) for version in entry.versions]
        return cls(**{**entry.active.card, **_facts(entry.active), "versions": summaries})


class ModelPageResponse(_Answer):
    """Some models, by name."""

    items: list[ModelVersionResponse]
    next_cursor: str | None

    @classmethod
    def of(cls, page: ModelPage) -> Self:
        """The wire form of a page."""
        return cls(items=[ModelVersionResponse.of(item) for item in page.items], next_cursor=page.next_cursor)


class ServedModel(_Answer):
    """A model and the version that answers."""

    name: str
    version: str


class StatusResponse(_Answer):
    """What this twin serves."""

    status: Literal["ok"]
    models: list[ServedModel]
    user: str


class ActivationRequest(BaseModel):
    """Which version shall answer from now on."""

    model_config = ConfigDict(extra="forbid")

    version: str = Field(pattern=NAME_PATTERN)


class AlertRulesBody(BaseModel):
    """The range that predictions should stay in; without bounds nothing alerts."""

    model_config = ConfigDict(extra="forbid")

    # Strict, because `true` is no temperature.
    minimum: StrictFloat | None = None
    maximum: StrictFloat | None = None
    cooldown_s: StrictFloat = DEFAULT_COOLDOWN_S
    severity: Severity = Severity.WARNING

    def to_rules(self) -> AlertRules:
        """The domain's form; raises `AlertRulesInvalid` if the rules contradict themselves."""
        return AlertRules(self.minimum, self.maximum, self.cooldown_s, self.severity)

    @classmethod
    def of(cls, rules: AlertRules | None) -> Self:
        """The wire form; no rules are rules without bounds."""
        if rules is None:
            return cls()
        return cls(minimum=rules.minimum, maximum=rules.maximum, cooldown_s=rules.cooldown_s, severity=rules.severity)


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


def _facts(version: ModelVersion) -> dict[str, Any]:
    return {
        "name": version.model,
        "version": version.version,
        "state": version.state.value,
        "digest": version.digest,
        "size_bytes": version.size_bytes,
        "published_at": None if version.published_at is None else rfc3339(version.published_at),
        "published_by": version.published_by,
    }
