"""Compare versions of a model on its own requests, and promote the better one."""

from typing import Annotated

from fastapi import APIRouter, Path

from services.twin.domain.experiment_report import ExperimentDesk
from services.twin.domain.experiments import ExperimentInvalid, ExperimentMissing, VariantMissing
from services.twin.domain.registry import ModelBuiltIn, ModelMissing, VersionMissing
from services.twin.schemas.base import NAME_PATTERN
from services.twin.schemas.experiments import ExperimentBody, ExperimentResponse, PromotionRequest
from services.twin.schemas.models import ModelVersionResponse
from shared.http.dependencies import NotAllowed, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/twin", tags=["experiments"])

Name = Annotated[str, Path(pattern=NAME_PATTERN)]
Desk = Annotated[ExperimentDesk, use(ExperimentDesk)]
Reader = Annotated[Principal, require(Permission.READ)]
Publisher = Annotated[Principal, require(Permission.PUBLISH)]


@router.put(
    "/models/{model}/experiment",
    responses=responses(ModelMissing, VersionMissing, ModelBuiltIn, ExperimentInvalid, NotAllowed),
)
async def start_experiment(model: Name, body: ExperimentBody, desk: Desk, caller: Publisher) -> ExperimentResponse:
    """Let versions share a model's requests; other weights for the same versions go on with what was counted."""
    return ExperimentResponse.of(await desk.start(model, body.to_plan(), user=caller.subject))


@router.get(
    "/models/{model}/experiment", responses=responses(ModelMissing, ExperimentMissing, ModelBuiltIn, NotAllowed)
)
async def read_experiment(model: Name, desk: Desk, _caller: Reader) -> ExperimentResponse:
    """What each variant answered, how far it was off on what was measured, and whether one is better."""
    return ExperimentResponse.of(await desk.report(model))


@router.delete(
    "/models/{model}/experiment",
    status_code=204,
    responses=responses(ModelMissing, ExperimentMissing, ModelBuiltIn, NotAllowed),
)
async def end_experiment(model: Name, desk: Desk, _caller: Publisher) -> None:
    """End the experiment: the active version answers every request."""
    await desk.end(model)


@router.post(
    "/models/{model}/experiment/promote",
    responses=responses(ModelMissing, ExperimentMissing, VariantMissing, ModelBuiltIn, NotAllowed),
)
async def promote(model: Name, body: PromotionRequest, desk: Desk, _caller: Publisher) -> ModelVersionResponse:
    """Make a variant's version the active one and end the experiment, in one step."""
    return ModelVersionResponse.of(await desk.promote(model, body.variant))
