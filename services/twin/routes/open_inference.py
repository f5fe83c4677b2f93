"""The Open Inference Protocol, version 2, which KServe and Triton clients speak."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from services.twin.domain.features import InputsInvalid
from services.twin.domain.intervals import LevelInvalid, TooFewResiduals
from services.twin.domain.prediction import PredictionNotFinite
from services.twin.domain.predictor import BatchTooLarge, Predictor
from services.twin.domain.registry import ModelMissing, ModelRegistry, VersionMissing
from services.twin.domain.serving import Requester
from services.twin.domain.tensors import TensorInvalid, rows_of
from services.twin.schemas.base import NAME_PATTERN
from services.twin.schemas.inference_answers import (
    InferenceAnswer,
    Liveness,
    ModelMetadata,
    ModelReadiness,
    ServerMetadata,
    ServerReadiness,
    check_outputs,
    inference_response,
)
from services.twin.schemas.open_inference import (
    JSON_LENGTH_HEADER,
    EncodingUnsupported,
    InferenceRequest,
    InferenceRequestInvalid,
    UnpackedTooLarge,
    unpack,
)
from shared.build_info import VERSION
from shared.errors import AppError, Kind
from shared.http.dependencies import AssetOutOfReach, NotAllowed, check_asset, request_id, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

PREFIX = "/v2"
router = APIRouter(prefix=PREFIX, tags=["open inference protocol"])

Name = Annotated[str, Path(pattern=NAME_PATTERN)]
Registry = Annotated[ModelRegistry, use(ModelRegistry)]
Reader = Annotated[Principal, require(Permission.READ)]
_INFER = responses(
    ModelMissing,
    VersionMissing,
    InferenceRequestInvalid,
    TensorInvalid,
    InputsInvalid,
    PredictionNotFinite,
    LevelInvalid,
    TooFewResiduals,
    BatchTooLarge,
    UnpackedTooLarge,
    EncodingUnsupported,
    NotAllowed,
    AssetOutOfReach,
)
# The body is read by hand, because raw bytes may follow its JSON.
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object", "required": ["inputs"]}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class CallUnsupported(AppError):
    """Some servers extend the protocol by this call, and this one does not."""

    kind, code = Kind.MISSING, "twin.call_unsupported"

    def __init__(self, method: str, path: str) -> None:
        super().__init__(
            f"{method} {path} is no call of the Open Inference Protocol; models are managed at /api/v1/twin/models"
        )


@dataclass(frozen=True, slots=True)
class UnpackedLimit:
    """Most bytes that a body may have once it is unpacked."""

    limit_bytes: int


@router.get("", responses=responses(NotAllowed))
async def server(_caller: Reader) -> ServerMetadata:
    """Which server this is."""
    return ServerMetadata(version=VERSION)


@router.get("/health/live", responses=responses(NotAllowed))
async def live(_caller: Reader) -> Liveness:
    """The server answers."""
    return Liveness()


@router.get("/health/ready", responses=responses(NotAllowed))
async def ready(registry: Registry, _caller: Reader) -> ServerReadiness:
    """The server knows its models."""
    await registry.check()
    return ServerReadiness()


@router.get("/models/{model}", responses=responses(ModelMissing, NotAllowed))
async def metadata(model: Name, registry: Registry, _caller: Reader) -> ModelMetadata:
    """The tensors of a model's active version."""
    entry = await registry.find(model)
    return ModelMetadata.of(entry, entry.active)


@router.get("/models/{model}/versions/{version}", responses=responses(ModelMissing, VersionMissing, NotAllowed))
async def version_metadata(model: Name, version: Name, registry: Registry, _caller: Reader) -> ModelMetadata:
    """The tensors of one version."""
    entry = await registry.find(model)
    return ModelMetadata.of(entry, entry.version(version))


@router.get("/models/{model}/ready", responses=responses(ModelMissing, NotAllowed))
async def model_ready(model: Name, registry: Registry, _caller: Reader) -> ModelReadiness:
    """Whether the model answers predictions; 404 if not."""
    # What this process serves goes on being served while the database is away.
    if model not in dict(registry.served()):
        await registry.find(model)
    return ModelReadiness(name=model)


@router.get("/models/{model}/versions/{version}/ready", responses=responses(ModelMissing, VersionMissing, NotAllowed))
async def version_ready(model: Name, version: Name, registry: Registry, _caller: Reader) -> ModelReadiness:
    """Whether the version answers predictions; 404 if not."""
    return ModelReadiness(name=(await registry.find(model)).version(version).model)


@router.post("/models/{model}/infer", responses=_INFER, response_model=InferenceAnswer, openapi_extra=_BODY)
async def infer(
    model: Name,
    request: Request,
    predictor: Annotated[Predictor, use(Predictor)],
    *,
    limit: Annotated[UnpackedLimit, use(UnpackedLimit)],
    caller: Annotated[Principal, require(Permission.PREDICT)],
    call_id: Annotated[str, request_id()],
) -> Response:
    """Predict many rows with the active version."""
    return await _infer(model, None, request, predictor, limit=limit, caller=caller, call_id=call_id)


@router.post(
    "/models/{model}/versions/{version}/infer", responses=_INFER, response_model=InferenceAnswer, openapi_extra=_BODY
)
async def infer_with_version(
    model: Name,
    version: Name,
    request: Request,
    predictor: Annotated[Predictor, use(Predictor)],
    *,
    limit: Annotated[UnpackedLimit, use(UnpackedLimit)],
    caller: Annotated[Principal, require(Permission.PREDICT)],
    call_id: Annotated[str, request_id()],
) -> Response:
    """Predict many rows with one version, active or not."""
    return await _infer(model, version, request, predictor, limit=limit, caller=caller, call_id=call_id)


@router.api_route("/{call:path}", methods=["GET", "POST"], include_in_schema=False)
async def unsupported(request: Request) -> None:
    """Say that a call is known elsewhere and not here."""
    raise CallUnsupported(request.method, request.url.path)


async def _infer(
    model: str,
    version: str | None,
    request: Request,
    predictor: Predictor,
    *,
    limit: UnpackedLimit,
    caller: Principal,
    call_id: str,
) -> Response:
    body = unpack(await request.body(), request.headers.get("content-encoding"), limit.limit_bytes)
    asked, tensors = InferenceRequest.read(body, request.headers.get(JSON_LENGTH_HEADER))
    check_outputs(asked)
    check_asset(caller, asked.parameters.asset)
    requester = Requester(caller.subject, asked.parameters.asset, request_id=call_id)
    level = asked.parameters.level
    answer = await predictor.predict_matrix(model, version, rows_of(tensors), level=level, requester=requester)
    return inference_response(asked, answer.content)
