"""The only application factory of the suite: every service answers, fails, logs and is measured alike."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.build_info import VERSION, show_build
from shared.contracts.guide import Guide, add_guide
from shared.folder_space import FolderSpace
from shared.http.contract import complete
from shared.http.direct import DirectHandler, DirectRoutes
from shared.http.head import HeadAsGet
from shared.http.identity import RequireIdentity
from shared.http.metrics import ServiceMetrics
from shared.http.middleware import BodyLimit, Deadline, RequestContext
from shared.http.probes import PROBE_PATHS, Probe, Readiness, probe_router
from shared.http.problems import Problem, install_problem_handlers
from shared.http.request_log import RequestLog
from shared.http.traced import TracedRequests
from shared.internal_token import IdentityVerifier
from shared.settings import ProcessSettings
from shared.tracing import open_tracer

OPENAPI_PATH = "/openapi.json"
OPEN_PATHS = PROBE_PATHS | {OPENAPI_PATH}

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


class ServiceApp:
    """A service as an ASGI application, with what a server and a test need to reach."""

    def __init__(self, api: FastAPI, outermost: ASGIApp, readiness: Readiness, metrics: ServiceMetrics) -> None:
        self.api, self.readiness, self.metrics = api, readiness, metrics
        self._outermost = outermost

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._outermost(scope, receive, send)


def build_app(
    *,
    settings: ProcessSettings,
    title: str,
    routers: Sequence[APIRouter],
    objects: Sequence[tuple[type, object]],
    identity: IdentityVerifier | None,
    metrics: ServiceMetrics,
    probes: Mapping[str, Probe] | None = None,
    lifespan: Lifespan | None = None,
    upload_paths: Sequence[str] = (),
    unpacking_prefix: str | None = None,
    direct: Mapping[str, DirectHandler] | None = None,
    wrap: Callable[[ASGIApp], ASGIApp] | None = None,
    guide: Guide | None = None,
) -> ServiceApp:
    """Assemble a service.

    Parameters
    ----------
    objects
        What `use(T)` hands to a route, by type.
    identity
        Verifies who calls; none for the gateway, which is the one that finds out.
    probes
        Dependencies that `/readyz` asks, by name.
    upload_paths
        Exact paths whose bodies stream, up to the upload limit and without the deadline, which then holds for each
        part of the body by itself.
    unpacking_prefix
        Paths that begin so unpack a body that came packed, within its limit, by themselves; elsewhere it is a 415.
    direct
        Handlers that answer the plain form of a POST request before the framework, by exact path.
    wrap
        A layer between the outermost one (id, log, metrics) and the limits, for the gateway's data path.
    guide
        Examples and links that the OpenAPI document shows.
    """

    @asynccontextmanager
    async def run_lifespan(_: FastAPI) -> AsyncIterator[None]:
        if lifespan is None:
            yield
            return
        async with lifespan():
            yield

    # A path has one spelling. A redirect to another would also name whatever host the caller claimed to have asked.
    api = FastAPI(
        title=title, version=VERSION, lifespan=run_lifespan, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    api.state.objects = dict(objects)
    install_problem_handlers(api)
    readiness = Readiness()
    shown_metrics = metrics if settings.enable_monitoring else None
    api.include_router(
        probe_router(service=settings.service, readiness=readiness, probes=probes or {}, metrics=shown_metrics)
    )
    for router in routers:
        api.include_router(router)
    guarded = identity is not None
    # FastAPI's documented way.
    api.openapi = lambda: _openapi(api, guide or Guide(), guarded=guarded)  # type: ignore[method-assign]
    app: ASGIApp = DirectRoutes(api, direct) if direct else api
    if identity is not None:
        app = RequireIdentity(app, identity, open_paths=OPEN_PATHS)
    app = BodyLimit(
        app,
        limit_bytes=settings.body_limit_bytes,
        upload_limit_bytes=settings.upload_limit_bytes,
        idle_s=settings.deadline_s,
        upload_paths=upload_paths,
        unpacking_prefix=unpacking_prefix,
    )
    # Outside the body's limit, so that a client that sends its body drop by drop is held to the deadline too.
    app = Deadline(app, deadline_s=settings.deadline_s, exempt_paths=upload_paths)
    if wrap is not None:
        app = wrap(app)
    show_build(metrics.registry, service=settings.service, revision=settings.revision)
    FolderSpace(metrics.registry, settings.folders())
    outermost: ASGIApp = RequestContext(HeadAsGet(app), metrics, RequestLog(settings.service))
    tracer = open_tracer(settings.traces, settings.service)
    if tracer is not None:
        outermost = TracedRequests(outermost, tracer)
    return ServiceApp(api, outermost, readiness, metrics)


def _openapi(api: FastAPI, guide: Guide, *, guarded: bool) -> dict[str, Any]:
    """FastAPI's document with our problem format in place of its own, and what the layers around a route answer."""
    if api.openapi_schema is None:
        document = get_openapi(title=api.title, version=api.version, routes=api.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        model = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(model.pop("$defs"))
        schemas["Problem"] = model
        for path, operations in document["paths"].items():
            for operation in operations.values():
                complete(path, operation, guarded=guarded and path not in OPEN_PATHS)
        add_guide(document, guide)
        api.openapi_schema = document
    return api.openapi_schema
