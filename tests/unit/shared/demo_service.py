"""A small service with a route of each kind, as `build_app` assembles it."""

import asyncio
from typing import Any, ClassVar

import httpx
from fastapi import APIRouter, UploadFile
from pydantic import BaseModel, ConfigDict

from shared.errors import AppError, Fault, Kind
from shared.http.app import ServiceApp, build_app
from shared.http.dependencies import check_asset, require, use
from shared.http.metrics import ServiceMetrics
from shared.http.problems import responses
from shared.internal_token import IdentityVerifier
from shared.principal import Permission, Principal
from shared.settings import ServiceSettings


class DemoSettings(ServiceSettings):
    service: ClassVar[str] = "demo"


class Reading(BaseModel):
    value: float
    note: str = ""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TankEmpty(AppError):
    kind, code = Kind.UNAVAILABLE, "demo.tank_empty"

    def __init__(self) -> None:
        super().__init__("the tank is empty", faults=[Fault("/value", "too low", {"min": 3})], retry_after_s=7, tank=4)


class Greeter:
    greeting = "moin"


def demo_router() -> APIRouter:
    router = APIRouter(prefix="/api/v1/demo", tags=["demo"])

    @router.post("/echo/{name}", responses=responses(TankEmpty))
    async def echo(name: str, body: Reading, limit: int = 1) -> Reading:
        return body

    @router.post("/strict")
    async def strict(body: Strict) -> None:
        pass

    @router.get("/greeting")
    async def greeting(greeter: Greeter = use(Greeter)) -> str:
        return greeter.greeting

    @router.get("/slow")
    async def slow() -> None:
        await asyncio.Event().wait()

    @router.get("/bug")
    async def bug() -> float:
        return 1 / 0

    @router.get("/empty")
    async def empty() -> None:
        raise TankEmpty

    @router.post("/upload")
    async def upload(file: UploadFile) -> int:
        return len(await file.read())

    @router.post("/train")
    async def train(caller: Principal = require(Permission.TRAIN), asset: str | None = None) -> str:
        check_asset(caller, asset)
        return caller.subject

    return router


def demo_settings(**changes: Any) -> DemoSettings:
    values: dict[str, Any] = {
        "port": 0,
        "redis_url": "redis://x",
        "database_url": "sqlite://",
        "body_limit_bytes": 2000,
        "upload_limit_bytes": 10_000,
        "deadline_s": 0.2,
    }
    return DemoSettings(**(values | changes))


def demo_app(identity: IdentityVerifier | None = None, **settings: Any) -> ServiceApp:
    return build_app(
        settings=demo_settings(**settings),
        title="Demo",
        routers=[demo_router()],
        objects=[(Greeter, Greeter())],
        identity=identity,
        metrics=ServiceMetrics("demo"),
        upload_paths=["/api/v1/demo/upload"],
    )


def client_of(app: ServiceApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://demo/api/v1/demo")
