"""Take in what was measured, and tell how good a model is on it."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query

from services.twin.domain.features import QualityBad
from services.twin.domain.observations import ObservationInvalid, TooManyObservations
from services.twin.domain.observing import Observer
from services.twin.domain.prediction import PredictionNotFinite
from services.twin.domain.registry import ModelMissing, ModelUnnamed, VersionMissing
from services.twin.schemas.base import NAME_PATTERN
from services.twin.schemas.observations import (
    OBSERVATION_EXAMPLE,
    ObservationResponse,
    ObservationsResponse,
    QualityResponse,
    assets_in,
    many_in,
)
from shared.http.dependencies import AssetOutOfReach, NotAllowed, check_asset, request_id, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/twin", tags=["live quality"])

# Any object or list gets in: each observation is then judged by itself, so that one bad one does not lose the others.
ObservationsBody = Annotated[
    dict[str, Any] | list[Any],
    Body(
        description="One observation; or many, as a list or as an object with the list `observations`. An observation "
        "has `inputs` and `actual`, and may have `timestamp` (now unless given), `model`, `version`, `asset`, and the "
        "`unit` that `actual` is in.",
        openapi_examples={
            "one": {"value": OBSERVATION_EXAMPLE},
            "many": {"value": {"observations": [OBSERVATION_EXAMPLE]}},
        },
    ),
]


@router.post(
    "/observations",
    responses=responses(
        ObservationInvalid,
        QualityBad,
        PredictionNotFinite,
        ModelMissing,
        ModelUnnamed,
        VersionMissing,
        TooManyObservations,
        NotAllowed,
        AssetOutOfReach,
    ),
)
async def observe(
    body: ObservationsBody,
    observer: Annotated[Observer, use(Observer)],
    caller: Annotated[Principal, require(Permission.PREDICT)],
    request: Annotated[str, request_id()],
) -> ObservationResponse | ObservationsResponse:
    """Compare measured values with the predictions of their time, and learn from them.

    One that was sent before (same model, asset and timestamp) changes nothing. Of many, one that cannot be used is
    answered with its faults and does not hold up the others.
    """
    many = many_in(body)
    for asset in assets_in([body] if many is None else many.documents):
        check_asset(caller, asset)
    if many is None:
        observed = await observer.observe(body, user=caller.subject)
        return ObservationResponse.of(observed, user=caller.subject, request_id=request)
    outcomes = await observer.observe_many(many.documents, many.pointer, user=caller.subject)
    return ObservationsResponse.of(outcomes, many.documents, user=caller.subject, request_id=request)


@router.get("/models/{model}/quality", responses=responses(ModelMissing, VersionMissing, NotAllowed))
async def read_quality(
    model: Annotated[str, Path(pattern=NAME_PATTERN)],
    observer: Annotated[Observer, use(Observer)],
    _caller: Annotated[Principal, require(Permission.READ)],
    version: Annotated[str | None, Query(pattern=NAME_PATTERN, description="left out, the active one")] = None,
) -> QualityResponse:
    """Rolling coverage and errors of a version, its correction and its alarm, beside what its card promises."""
    return QualityResponse.of(await observer.quality(model, version))
