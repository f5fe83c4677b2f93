"""The gateway's process: where its parts meet. `python -m services.gateway.app [--config FILE]`."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from prometheus_client import Counter
from starlette.types import ASGIApp

from services.gateway.adapters.access_tokens import KeyWatch
from services.gateway.adapters.alert_notifier import AlertNotifier
from services.gateway.adapters.forwarder import Forwarder
from services.gateway.adapters.key_expiry_watch import KeyExpiryWatch
from services.gateway.adapters.key_files import FileSigner
from services.gateway.adapters.limit_metrics import LimitMetrics
from services.gateway.adapters.oidc_providers import providers_usable
from services.gateway.adapters.probes import probes
from services.gateway.adapters.refusal_metrics import RefusalMetrics
from services.gateway.adapters.startup import (
    audit_exports,
    audit_keys,
    notification_urls,
    sealing_key,
    signing_key,
    verifying_keys,
)
from services.gateway.adapters.suite_documents import DocumentFetcher
from services.gateway.adapters.tables import HISTORY, SCRIPTS
from services.gateway.domain.breaker import Breaker
from services.gateway.parts import Parts, notify_urls
from services.gateway.routes import (
    alerts,
    audit,
    documentation,
    events,
    identities,
    jobs,
    keys,
    keyset,
    second_factor,
    sessions,
    user_sessions,
    users,
)
from services.gateway.routes.cors import open_to_origins
from services.gateway.routes.door import Door, Observers, ProxyRules
from services.gateway.routes.guide import GUIDE
from services.gateway.routes.metrics import MetricsInside
from services.gateway.settings import GatewaySettings
from services.gateway.use_cases import use_cases
from shared.background import running
from shared.contracts.alert import Alert
from shared.database import current_tables, open_engine
from shared.database_metrics import DatabaseMetrics
from shared.errors import JSON
from shared.events import ALERTS, EventConsumer
from shared.http.app import ServiceApp, build_app
from shared.http.server import run_service
from shared.http.tls import authority_file
from shared.internal_token import InternalTokenSigner
from shared.jobs.retention import remove_ended
from shared.retention import CleanUp, Rule, days
from shared.startup import run_checks

_ROUTERS = (
    sessions.router,
    keyset.router,
    users.router,
    second_factor.router,
    user_sessions.router,
    keys.router,
    identities.router,
    audit.router,
    alerts.router,
    events.router,
    jobs.router,
    documentation.router,
)
# A service that is restarted is back within some two seconds; asked in vain meanwhile, it would only start slower.
_FAILURES_TO_OPEN, _BREAKER_OPEN_S = 5, 1.0
# A refresh token that comes back after the end of its session is still told from one that never was.
_ENDED_SESSIONS_KNOWN = timedelta(days=1)


class _Gateway:
    """The door of a process, and what goes on behind it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Put the door in front of the gateway's own routes."""
        parts = self._parts
        settings, clock = parts.settings, parts.clock
        degraded = Counter(
            "futago_gateway_without_redis",
            "Requests let in on an earlier verification alone, as Redis was away",
            registry=parts.metrics.registry,
        )
        door = Door(
            MetricsInside(app, settings.metrics_networks),
            table=parts.table,
            doorman=parts.gatehouse.doorman,
            forwarder=Forwarder(
                parts.transport,
                {
                    service: Breaker(failures_to_open=_FAILURES_TO_OPEN, open_s=_BREAKER_OPEN_S)
                    for service in parts.upstreams
                },
                clock,
                parts.metrics.registry,
            ),
            vouch=InternalTokenSigner(
                FileSigner(settings.identity_private_key_file, clock, parts.key_fault), clock
            ).sign,
            upstreams=parts.upstreams,
            rules=ProxyRules(
                body_limit_bytes=settings.forwarded_body_limit_bytes,
                upload_limit_bytes=settings.upload_limit_bytes,
                # Longer than the wait for the service alone: that one ends first, and its error names the service.
                deadline_s=settings.connect_timeout_s + settings.upstream_timeout_s,
                answer_timeout_s=settings.upstream_timeout_s,
                upload_timeout_s=settings.upload_timeout_s,
            ),
            observers=Observers(
                audit=parts.audit.queue.put,
                key_used=parts.key_uses.note,
                let_in_without_redis=degraded.inc,
                limited=LimitMetrics(parts.metrics.registry).count,
                refused=RefusalMetrics(parts.metrics.registry).count,
            ),
            trusted_proxies=settings.trusted_proxies,
            floors=parts.gatehouse.known,
            clock=clock,
        )
        return open_to_origins(door, settings.cors_origins)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Run what goes on beside the requests; at the end, write what is not yet written and let go of everything."""
        parts = self._parts
        writer = asyncio.create_task(parts.audit.queue.run())
        consumer = EventConsumer(
            parts.waiting_redis,
            ALERTS,
            group="gateway",
            consumer=f"{socket.gethostname()}-{parts.settings.port}",
            handle=self._take_alert,
        )
        work: dict[str, Callable[[], Awaitable[None]]] = {
            "alerts": consumer.run,
            "events": parts.event_hub.run,
            "documents": DocumentFetcher(parts.transport, parts.upstreams, parts.document).run,
            "access_keys": KeyWatch(parts.tokens, parts.gatehouse.known.have_missed).run,
            "key_uses": parts.key_uses.run,
            "key_expiry": self._key_expiry_watch().run,
            **parts.external.work(),
            **parts.gatehouse.work(),
            "retention": self._retention().run,
            **parts.audit.work(),
        }
        if parts.destinations:
            work["notifications"] = self._notifier().run
        try:
            async with running(work):
                yield
        finally:
            parts.audit.queue.close()
            await writer
            await parts.audit.finish()
            await parts.key_uses.store()
            await parts.external.aclose()
            await parts.transport.aclose()
            await parts.gatehouse.aclose()
            await parts.redis.aclose()
            await parts.waiting_redis.aclose()
            parts.engine.dispose()

    def _key_expiry_watch(self) -> KeyExpiryWatch:
        parts = self._parts
        return KeyExpiryWatch(
            parts.stores.keys,
            parts.stores.alerts.take,
            lead=timedelta(days=parts.settings.key_expiry_notice_days),
            clock=parts.clock,
            registry=parts.metrics.registry,
        )

    def _notifier(self) -> AlertNotifier:
        parts = self._parts
        return AlertNotifier(
            notices=parts.stores.notices,
            destinations=parts.destinations,
            give_up_after_s=parts.settings.notify_give_up_s,
            clock=parts.clock,
            metrics=parts.metrics.registry,
        )

    def _retention(self) -> CleanUp:
        parts = self._parts
        settings = parts.settings
        rules = [
            Rule("jobs", days(settings.job_retention_days), partial(remove_ended, parts.engine)),
            Rule("alerts", days(settings.alert_retention_days), parts.stores.alerts.remove_acknowledged),
            Rule("sessions", _ENDED_SESSIONS_KNOWN, parts.stores.refresh.remove_ended),
            *parts.audit.rules,
        ]
        return CleanUp(rules, clock=parts.clock, metrics=parts.metrics.registry)

    async def _take_alert(self, payload: Mapping[str, JSON]) -> None:
        await self._parts.stores.alerts.take([Alert.from_json(payload)])


def create_app(settings: GatewaySettings) -> ServiceApp:
    """Make the gateway.

    Raises
    ------
    CannotStart
        With everything that is wrong with the keys, the notification URLs and the database.
    """
    engine = open_engine(settings.database_url.get_secret_value())
    run_checks(
        [
            signing_key(settings.access_key_file, "the key that signs access tokens"),
            verifying_keys(settings.access_verify_files, "keys whose access tokens count"),
            signing_key(settings.identity_private_key_file, "the key that vouches for callers"),
            sealing_key(settings.second_factor_key_file, "the key that encrypts second factors"),
            audit_keys(settings.audit_key_file, settings.audit_verify_files),
            audit_exports(settings.audit_export_urls),
            authority_file(settings.services_ca_file, "the services' certificates"),
            notification_urls(notify_urls(settings)),
            providers_usable(settings.identity_providers),
            current_tables(engine, HISTORY, SCRIPTS),
        ]
    )
    parts = Parts(settings, engine)
    DatabaseMetrics(parts.metrics.registry, engine)
    gateway = _Gateway(parts)
    app = build_app(
        settings=settings,
        title="Futago",
        routers=_ROUTERS,
        objects=use_cases(parts),
        identity=None,
        metrics=parts.metrics,
        probes=probes(engine, parts.redis, parts.transport, parts.upstreams, parts.clock),
        lifespan=gateway.lifespan,
        wrap=gateway.wrap,
        guide=GUIDE,
    )
    parts.event_hub.end_when(lambda: app.readiness.draining)
    parts.document.describe_gateway(app.api.openapi)
    app.api.openapi = parts.document.merged  # type: ignore[method-assign] # FastAPI's documented way to extend it
    return app


if __name__ == "__main__":
    run_service(GatewaySettings, create_app)
