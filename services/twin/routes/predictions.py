"""Predict one row or a batch; `direct_predictions` answers the plain form of the same requests."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.twin.domain.features import InputsInvalid, QualityBad
from services.twin.domain.intervals import LevelInvalid, TooFewResiduals
from services.twin.domain.prediction import PredictionNotFinite
from services.twin.domain.predictor import BatchTooLarge, Predictor
from services.twin.domain.registry import ModelMissing, ModelUnnamed
from services.twin.domain.serving import DeadlineMissed, PoolFull, Requester, StillBusy
from services.twin.routes.direct_predictions import DirectPredictions
from services.twin.schemas.base import ASSET_PATTERN, DEFAULT_LEVEL, Inputs
from services.twin.schemas.predictions import BatchRequest, BatchResponse, PredictionResponse
from shared.http.dependencies import AssetOutOfReach, NotAllowed, check_asset, request_id, require, use
from shared.http.direct import DirectHandler
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/twin", tags=["predictions"])

Model = Annotated[str | None, Query(description="left out, the default model")]
Asset = Annotated[
    str | None,
    Query(max_length=255, pattern=ASSET_PATTERN, description="dotted path of the equipment"),
]
Level = Annotated[float, Query(gt=0, lt=1, description="probability of the interval")]
StickyKey = Annotated[
    str | None,
    Query(max_length=128, description="in an experiment, the same key is answered by the same variant"),
]


# Why a model that is there gives no prediction of a row.
WHY_NO_PREDICTION = (
    InputsInvalid,
    QualityBad,
    PredictionNotFinite,
    PoolFull,
    DeadlineMissed,
    StillBusy,
    LevelInvalid,
    TooFewResiduals,
)


@router.post(
    "/predict",
    responses=responses(
        ModelMissing,
        ModelUnnamed,
        *WHY_NO_PREDICTION,
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
    sticky_key: StickyKey = None,
) -> PredictionResponse:
    """Predict one row from values by feature name, with a calibrated interval."""
    check_asset(caller, asset)
    requester = Requester(caller.subject, asset, sticky_key, request)
    answer = await predictor.predict(model, body, level=level, requester=requester)
    return PredictionResponse.of(answer, user=caller.subject, request_id=request)


@router.post(
    "/batch",
    responses=responses(
        ModelMissing,
        ModelUnnamed,
        PoolFull,
        DeadlineMissed,
        StillBusy,
        LevelInvalid,
        TooFewResiduals,
        BatchTooLarge,
        NotAllowed,
        AssetOutOfReach,
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
    sticky_key: StickyKey = None,
) -> BatchResponse:
    """Predict many rows; one that cannot be used is answered with its faults and does not hold up the others."""
    check_asset(caller, asset)
    requester = Requester(caller.subject, asset, sticky_key, request)
    answer = await predictor.predict_batch(model, body.inputs, level=level, requester=requester)
    return BatchResponse.of(answer, body.inputs, user=caller.subject, request_id=request)


def direct_handlers(predictor: Predictor) -> dict[str, DirectHandler]:
    """Those who answer the plain form of these requests without the framework, by path."""
    direct = DirectPredictions(predictor)
    return {f"{router.prefix}/predict": direct.predict, f"{router.prefix}/batch": direct.predict_batch}
