"""Runs a service's application: settings, logs, then uvicorn with limits, TLS and an orderly end."""

import asyncio
import gc
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TypeVar

import uvicorn
from prometheus_client import Counter, Gauge
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from shared.http.app import ServiceApp
from shared.http.connections import Connections
from shared.http.redirect import redirect_to_https
from shared.http.tls import ServerCertificate, usable_certificate
from shared.http.wire import Refusal, WireProtocol
from shared.http.wire_limits import WireLimits
from shared.log import configure_logging, get_logger, log_crashes
from shared.settings import ProcessSettings
from shared.startup import CannotStart, load_or_exit, refuse_to_start, run_checks

SettingsT = TypeVar("SettingsT", bound=ProcessSettings)
log = get_logger(__name__)
# uvicorn's tick is a tenth of a second.
_TICKS_PER_SWEEP = 10
_TICKS_PER_CERTIFICATE_CHECK = 20
# Of file descriptors, beside those of connections: database, Redis, files, connections to other services.
_OTHER_FILES = 1024
_BACKLOG = 2048
# Of objects that may hold one another, how many more are made than freed before the youngest are looked through. Nearly
# all that a request makes is freed by counting references, long before.
_COLLECTED_AFTER = 5_000


class BoundedServer(uvicorn.Server):
    """uvicorn with limits for its connections, and with an end that a load balancer can follow.

    On SIGTERM it reports 'not ready' first, goes on answering for the drain time, then stops; uvicorn by itself
    refuses new connections at once, before a load balancer has heard of it.
    """

    def __init__(self, app: ServiceApp, settings: ProcessSettings) -> None:
        super().__init__(_config(app, settings, tls=settings.tls_cert_file is not None))
        self._service_app, self._settings = app, settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._register = Connections(wire_limits(settings))
        self._certificate = _certificate(settings)
        refused = Counter(
            "futago_http_refused",
            "Requests and connections turned away before the application saw them",
            ("service", "reason"),
            registry=app.metrics.registry,
        )
        self._ends_s = Gauge(
            "futago_tls_certificate_not_after_timestamp_seconds",
            "When the certificate ends that is shown to clients, or one that vouches for it",
            ("service",),
            registry=app.metrics.registry,
        )
        if self._certificate is not None:
            self._show_end(self._certificate)
        self._refused = {refusal: refused.labels(settings.service, refusal.name.lower()) for refusal in Refusal}

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 (uvicorn's signature)
        """Listen; in place of uvicorn's own, which knows neither limits nor a second port."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            self.should_exit = True
            return
        settings, self.servers = self._settings, []
        try:
            await self._listen(self.config, settings.port, self.server_state, self._certificate)
            if settings.redirect_port is not None:
                config = _config(redirect_to_https(settings.port), settings, tls=False)
                config.load()
                await self._listen(config, settings.redirect_port, self._state_of_redirects(), None)
        except OSError as error:
            log.error("cannot_listen", reason=str(error))  # noqa: TRY400 (the reason says it all)
            for server in self.servers:
                server.close()
            await self.lifespan.shutdown()
            self.should_exit = True
            return
        _leave_alone_what_stays()
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Look after the connections every second, and after the certificate every two."""
        if counter % _TICKS_PER_SWEEP == 0:
            self._register.sweep()
        if counter % _TICKS_PER_CERTIFICATE_CHECK == 0:
            self._renew_certificate()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is None:
            super().handle_exit(sig, frame)
        else:
            self._loop.call_soon_threadsafe(self._begin_drain)

    def _renew_certificate(self) -> None:
        if self._certificate is not None and self._certificate.reload_if_changed():
            self._show_end(self._certificate)

    def _show_end(self, certificate: ServerCertificate) -> None:
        if certificate.ends_s is None:
            self._ends_s.remove(self._settings.service)
        else:
            self._ends_s.labels(self._settings.service).set(certificate.ends_s)

    def _state_of_redirects(self) -> ServerState:
        # Ends with the other connections, and has none of their headers: over plain HTTP there is no HSTS.
        state = ServerState()
        state.connections, state.tasks = self.server_state.connections, self.server_state.tasks
        return state

    async def _listen(
        self, config: uvicorn.Config, port: int, state: ServerState, certificate: ServerCertificate | None
    ) -> None:
        def protocol() -> WireProtocol:
            return WireProtocol(config, state, self.lifespan.state, register=self._register, on_refusal=self._count)

        # A client that is slow with the handshake has no HTTP connection yet that could be looked after.
        patience_s = None if certificate is None else self._register.limits.head_timeout_s
        server = await asyncio.get_running_loop().create_server(
            protocol,
            host=config.host,
            port=port,
            ssl=None if certificate is None else certificate.context,
            backlog=_BACKLOG,
            ssl_handshake_timeout=patience_s,
            ssl_shutdown_timeout=patience_s,
        )
        self.servers.append(server)
        log.info("listening", host=config.host, port=server.sockets[0].getsockname()[1], tls=certificate is not None)

    def _count(self, refusal: Refusal) -> None:
        self._refused[refusal].inc()

    def _begin_drain(self) -> None:
        if self._service_app.readiness.draining:
            self._stop()
            return
        log.info("drain_begun", drain_s=self._settings.drain_s)
        self._service_app.readiness.draining = True
        asyncio.get_running_loop().call_later(self._settings.drain_s, self._stop)

    def _stop(self) -> None:
        self.should_exit = True


def run_service(settings_class: type[SettingsT], create_app: Callable[[SettingsT], ServiceApp]) -> None:
    """What `python -m services.X.app [--config FILE]` does; exits 78 and says why where it cannot start."""
    serve(load_or_exit(settings_class), create_app)


def serve(settings: SettingsT, create_app: Callable[[SettingsT], ServiceApp]) -> None:
    """Answer until told to stop; exits 78 and says why where it cannot start."""
    configure_logging(service=settings.service, level=settings.log_level, folder=settings.log_dir)
    log_crashes()
    try:
        run_checks([usable_certificate(settings.tls_cert_file, settings.tls_key_file)])
        app = create_app(settings)
    except CannotStart as error:
        refuse_to_start(settings.service, error.reasons)
    server = BoundedServer(app, settings)
    # uvicorn ends the process by itself where the application does not start, and says so only in the log.
    with suppress(SystemExit):
        server.run()
    if not server.started:
        refuse_to_start(settings.service, [f"it could not listen on {settings.host}:{settings.port}"])


def _leave_alone_what_stays() -> None:
    """Take what the start has made out of the sight of the garbage collector: it lives as long as the process.

    Looking through all of it again and again is work that no request needs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTED_AFTER, *gc.get_threshold()[1:])


def wire_limits(settings: ProcessSettings) -> WireLimits:
    """The limits of a process, no more connections than it may open files."""
    wanted = settings.max_connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = settings.max_connections if soft == resource.RLIM_INFINITY else max(soft - _OTHER_FILES, soft // 2)
    return WireLimits(
        head_timeout_s=settings.head_timeout_s,
        keep_alive_s=settings.keep_alive_s,
        stall_timeout_s=settings.stall_timeout_s,
        slowest_bytes_per_s=settings.slowest_bytes_per_s,
        connections=min(settings.max_connections, room),
        connections_per_address=settings.connections_per_address,
        addresses_of_many=settings.addresses_of_many,
    )


def _certificate(settings: ProcessSettings) -> ServerCertificate | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return ServerCertificate(settings.tls_cert_file, settings.tls_key_file)


def _config(app: ASGIApp, settings: ProcessSettings, *, tls: bool) -> uvicorn.Config:
    # Told only over TLS: over plain HTTP nobody may believe it (RFC 6797, 7.2).
    says = tls and settings.hsts_max_age_s > 0
    hsts = f"max-age={settings.hsts_max_age_s}" + ("; includeSubDomains" if settings.hsts_include_subdomains else "")
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        # Behind no trusted proxy a client's own X-Forwarded-For must not become its address.
        proxy_headers=False,
        server_header=False,
        headers=[("strict-transport-security", hsts)] if says else None,
        # The suite speaks no WebSocket, and its handshake would go past the limits.
        ws="none",
        timeout_graceful_shutdown=int(settings.deadline_s) + 1,
    )
