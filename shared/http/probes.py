"""Alive, ready, measured: what an orchestrator asks a process."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Response
from starlette.responses import JSONResponse

from shared.errors import AppError
from shared.exposition import CONTENT_TYPE
from shared.http.metrics import ServiceMetrics

# A probe returns if the dependency answers, and raises otherwise.
Probe = Callable[[], Awaitable[None]]
PROBE_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_PROBE_TIMEOUT_S = 1.0
_EXCLUDED = "excluded"
_ExcludeQuery = Annotated[
    tuple[str, ...],
    Query(
        description="Names of checks to leave out: of what all replicas share, so that its failure does not take every "
        "replica out of use at once"
    ),
]


class Readiness:
    """Whether the process wants traffic: false as soon as it begins to drain."""

    def __init__(self) -> None:
        self.draining = False


def probe_router(
    *, service: str, readiness: Readiness, probes: Mapping[str, Probe], metrics: ServiceMetrics | None
) -> APIRouter:
    """Routes that need no identity: `/healthz`, `/readyz` and, where monitoring is on, `/metrics`."""
    router = APIRouter(tags=["probes"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process is alive; says nothing of what it depends on, so that a restart is not tried in vain."""
        return {"status": "alive", "service": service}

    @router.get("/readyz", responses={503: {"description": "Not ready: the checks say why"}})
    async def readyz(exclude: _ExcludeQuery = ()) -> Response:
        """Ready for traffic: each dependency that is not left out was asked just now."""
        asked = [name for name in probes if name not in exclude]
        states = dict(zip(asked, await asyncio.gather(*(_ask(probes[name]) for name in asked)), strict=True))
        checks = {name: states.get(name, _EXCLUDED) for name in probes}
        ready = not readiness.draining and all(state == "ok" for state in states.values())
        status = "draining" if readiness.draining else "ready" if ready else "not ready"
        return JSONResponse({"status": status, "service": service, "checks": checks}, 200 if ready else 503)

    if metrics is not None:

        @router.get("/metrics", include_in_schema=False)
        async def exposition() -> Response:
            return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    return router


async def _ask(probe: Probe) -> str:
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            await probe()
    except AppError as error:
        return error.code
    except TimeoutError:
        return "timeout"
    except Exception as error:  # noqa: BLE001 (a dependency may fail in any way; the probe reports it)
        return type(error).__name__
    return "ok"
