"""Runs a service's application: settings, logs, then uvicorn with an orderly end."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TypeVar

import uvicorn

from shared.http.app import ServiceApp
from shared.log import configure_logging, get_logger
from shared.settings import ProcessSettings
from shared.startup import CannotStart, load_or_exit, refuse_to_start

SettingsT = TypeVar("SettingsT", bound=ProcessSettings)
log = get_logger(__name__)


class _DrainingServer(uvicorn.Server):
    """Reports 'not ready' first, goes on answering for the drain time, then stops.

    uvicorn by itself refuses new connections at once on SIGTERM, before a load balancer has heard of it.
    """

    def __init__(self, config: uvicorn.Config, app: ServiceApp, drain_s: float) -> None:
        super().__init__(config)
        self._service_app, self._drain_s = app, drain_s
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is None:
            super().handle_exit(sig, frame)
        else:
            self._loop.call_soon_threadsafe(self._begin_drain)

    def _begin_drain(self) -> None:
        if self._service_app.readiness.draining:
            self._stop()
            return
        log.info("drain_begun", drain_s=self._drain_s)
        self._service_app.readiness.draining = True
        asyncio.get_running_loop().call_later(self._drain_s, self._stop)

    def _stop(self) -> None:
        self.should_exit = True


def run_service(settings_class: type[SettingsT], create_app: Callable[[SettingsT], ServiceApp]) -> None:
    """What `python -m services.X.app [--config FILE]` does; exits 78 and says why where it cannot start."""
    serve(load_or_exit(settings_class), create_app)


def serve(settings: SettingsT, create_app: Callable[[SettingsT], ServiceApp]) -> None:
    """Answer until told to stop; exits 78 and says why where it cannot start."""
    configure_logging(service=settings.service, level=settings.log_level, folder=settings.log_dir)
    try:
        app = create_app(settings)
    except CannotStart as error:
        refuse_to_start(settings.service, error.reasons)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        # Behind no trusted proxy a client's own X-Forwarded-For must not become its address.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(settings.deadline_s) + 1,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = _DrainingServer(config, app, settings.drain_s)
    # uvicorn ends the process by itself where its port is taken, and says so only in the log.
    with suppress(SystemExit):
        server.run()
    if not server.started:
        refuse_to_start(settings.service, [f"it could not listen on {settings.host}:{settings.port}"])
