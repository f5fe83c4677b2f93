"""Publish, switch, withdraw and look at models."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, UploadFile

from services.twin.domain.experiments import ExperimentRunning, VersionInExperiment
from services.twin.domain.registry import (
    ModelBuiltIn,
    ModelMissing,
    ModelRegistry,
    PreviousMissing,
    VersionActive,
    VersionExists,
    VersionMissing,
)
from services.twin.schemas.base import NAME_PATTERN
from services.twin.schemas.models import (
    ActivationRequest,
    ModelPageResponse,
    ModelResponse,
    ModelVersionResponse,
    ServedModel,
    StatusResponse,
)
from shared.http.dependencies import NotAllowed, require, use
from shared.http.problems import responses
from shared.onnx.errors import BundleAltered, BundleMalformed, BundleTooLarge, BundleUnsigned, BundleUntrustedKey
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/twin", tags=["models"])

UPLOAD_PATH = "/api/v1/twin/models"

Name = Annotated[str, Path(pattern=NAME_PATTERN)]
Registry = Annotated[ModelRegistry, use(ModelRegistry)]
Reader = Annotated[Principal, require(Permission.READ)]
Publisher = Annotated[Principal, require(Permission.PUBLISH)]


@router.get("/status", responses=responses(NotAllowed))
async def status(registry: Registry, caller: Reader) -> StatusResponse:
    """What this twin serves."""
    models = [ServedModel(name=name, version=version) for name, version in registry.served()]
    return StatusResponse(status="ok", models=models, user=caller.subject)


@router.get("/models", responses=responses(NotAllowed))
async def list_models(
    registry: Registry,
    _caller: Reader,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=NAME_PATTERN)] = None,
) -> ModelPageResponse:
    """The active version of every model, by name; the one of the configuration comes last."""
    return ModelPageResponse.of(await registry.page(limit=limit, cursor=cursor))


@router.post(
    "/models",
    status_code=201,
    responses=responses(
        BundleUnsigned,
        BundleUntrustedKey,
        BundleAltered,
        BundleMalformed,
        BundleTooLarge,
        VersionExists,
        NotAllowed,
    ),
)
async def publish(registry: Registry, caller: Publisher, bundle: UploadFile) -> ModelVersionResponse:
    """Publish a signed bundle, zipped; the first version of a model becomes active, a later one when told to."""
    return ModelVersionResponse.of(await registry.publish(bundle.file, user=caller.subject))


@router.get("/models/{model}", responses=responses(ModelMissing, NotAllowed))
async def read_model(model: Name, registry: Registry, _caller: Reader) -> ModelResponse:
    """The card of a model's active version, and the list of its versions."""
    return ModelResponse.of_entry(await registry.find(model))


@router.get("/models/{model}/versions/{version}", responses=responses(ModelMissing, VersionMissing, NotAllowed))
async def read_version(model: Name, version: Name, registry: Registry, _caller: Reader) -> ModelVersionResponse:
    """The card of one version."""
    return ModelVersionResponse.of((await registry.find(model)).version(version))


@router.post(
    "/models/{model}/activate",
    responses=responses(ModelMissing, VersionMissing, PreviousMissing, ExperimentRunning, ModelBuiltIn, NotAllowed),
)
async def activate(
    model: Name, body: ActivationRequest, registry: Registry, _caller: Publisher
) -> ModelVersionResponse:
    """Let a version answer from now on, by its name or with `{"previous": true}` the one that answered before.

    Requests under way finish with the former one, which stays at hand.
    """
    return ModelVersionResponse.of(await registry.activate(model, body.version))


@router.delete(
    "/models/{model}/versions/{version}",
    status_code=204,
    responses=responses(ModelMissing, VersionMissing, VersionActive, VersionInExperiment, ModelBuiltIn, NotAllowed),
)
async def withdraw(model: Name, version: Name, registry: Registry, _caller: Publisher) -> None:
    """Take a version away; the active one only where the model has no other, and then the model goes with it."""
    await registry.withdraw(model, version)
