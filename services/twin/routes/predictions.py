"""Predict one row or a batch."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.twin.domain.features import InputsInvalid, QualityBad
from services.twin.domain.intervals import LevelInvalid, TooFewResiduals
from services.twin.domain.prediction import PredictionNotFinite
from services.twin.domain.predictor import BatchTooLarge, Predictor, Requester
from services.twin.domain.registry import ModelMissing, ModelUnnamed
from services.twin.schemas.base import Inputs
from services.twin.schemas.predictions import BatchRequest, BatchResponse, PredictionResponse
from shared.http.dependencies import AssetOutOfReach, NotAllowed, check_asset, request_id, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/twin", tags=["predictions"])

DEFAULT_LEVEL = 0.9

Model = Annotated[str | None, Query(description="left out, the default model")]
Asset = Annotated[
    str | None,
    Query(max_length=255, pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", description="dotted path of the equipment"),
]
Level = Annotated[float, Query(gt=0, lt=1, description="probability of the interval")]


@router.post(
    "/predict",
    responses=responses(
        ModelMissing,
        ModelUnnamed,
        InputsInvalid,
        QualityBad,
        PredictionNotFinite,
        LevelInvalid,
        TooFewResiduals,
        NotAllowed,
        AssetOutOfReach,
    ),
)
async def predict(
    body: Inputs,
    predictor: Annotated[Predictor, use(Predictor)],
    caller: Annotated[Principal, require(Permission.PREDICT)],
    *,
    request: Annotated[str, request_id()],
    model: Model = None,
    asset: Asset = None,
    level: Level = DEFAULT_LEVEL,
) -> PredictionResponse:
    """Predict one row from values by feature name, with a calibrated interval."""
    check_asset(caller, asset)
    requester = Requester(caller.subject, asset)
    answer = await predictor.predict(model, body, level=level, requester=requester)
    return PredictionResponse.of(answer, user=caller.subject, request_id=request)


@router.post(
    "/batch",
    responses=responses(
        ModelMissing, ModelUnnamed, LevelInvalid, TooFewResiduals, BatchTooLarge, NotAllowed, AssetOutOfReach
    ),
)
async def predict_batch(
    body: BatchRequest,
    predictor: Annotated[Predictor, use(Predictor)],
    caller: Annotated[Principal, require(Permission.PREDICT)],
    *,
    request: Annotated[str, request_id()],
    model: Model = None,
    asset: Asset = None,
    level: Level = DEFAULT_LEVEL,
) -> BatchResponse:
    """Predict many rows; one that cannot be used is answered with its faults and does not hold up the others."""
    check_asset(caller, asset)
    requester = Requester(caller.subject, asset)
    answer = await predictor.predict_batch(model, body.inputs, level=level, requester=requester)
    return BatchResponse.of(answer, body.inputs, user=caller.subject, request_id=request)
