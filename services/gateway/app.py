"""The gateway's process: where its parts meet. `python -m services.gateway.app [--config FILE]`."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from prometheus_client import Counter
from redis.asyncio import Redis
from sqlalchemy import Engine
from starlette.types import ASGIApp

from services.gateway.adapters.access_tokens import AccessTokens
from services.gateway.adapters.alert_notifier import AlertNotifier
from services.gateway.adapters.audit_queue import AuditQueue
from services.gateway.adapters.documentation_assets import documentation_assets
from services.gateway.adapters.forwarder import Forwarder, open_transport
from services.gateway.adapters.job_book import StoredJobs
from services.gateway.adapters.key_files import open_signer, open_verifier
from services.gateway.adapters.key_uses import KeyUses
from services.gateway.adapters.local_limits import LocalLimits
from services.gateway.adapters.login_throttle import LoginLimits, RedisLoginThrottle
from services.gateway.adapters.passlib_hasher import PasslibHasher
from services.gateway.adapters.probes import probes
from services.gateway.adapters.redis_floors import RedisFloors
from services.gateway.adapters.redis_gate import RedisCounter, RedisGate
from services.gateway.adapters.sql_alerts import SqlAlerts
from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.adapters.sql_keys import SqlKeys
from services.gateway.adapters.sql_notices import SqlNotices
from services.gateway.adapters.sql_refresh import SqlRefresh
from services.gateway.adapters.sql_users import SqlUsers
from services.gateway.adapters.startup import notification_urls, signing_key
from services.gateway.adapters.suite_documents import DocumentFetcher
from services.gateway.adapters.tables import HISTORY, SCRIPTS
from services.gateway.domain.access import AccessTable, Service
from services.gateway.domain.accounts import Accounts
from services.gateway.domain.alerts import AlertList
from services.gateway.domain.audit_search import AuditSearch
from services.gateway.domain.breaker import Breaker
from services.gateway.domain.claims import PublicKeys
from services.gateway.domain.credentials import Authenticator
from services.gateway.domain.documents import DocumentationAssets, SuiteDocument
from services.gateway.domain.doorman import Doorman
from services.gateway.domain.jobs import JobDesk
from services.gateway.domain.key_administration import KeyAdministration
from services.gateway.domain.notifications import NotificationPolicy
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.routes_table import suite_routes
from services.gateway.domain.sessions import Lifetimes, Sessions
from services.gateway.domain.upstreams import Upstream, upstreams
from services.gateway.routes import alerts, audit, documentation, jobs, keys, keyset, sessions, users
from services.gateway.routes.door import Door, Observers, ProxyRules
from services.gateway.settings import GatewaySettings
from shared.background import running
from shared.clock import Clock, SystemClock
from shared.contracts.alert import Alert, Severity
from shared.database import current_tables, open_engine
from shared.errors import JSON
from shared.events import ALERTS, BLOCK_S, EventConsumer
from shared.http.app import ServiceApp, build_app
from shared.http.metrics import ServiceMetrics
from shared.http.server import run_service
from shared.internal_token import InternalTokenSigner
from shared.jobs.store import JobStore
from shared.notify import open_destinations
from shared.redis_client import async_client, async_waiting_client
from shared.startup import run_checks

_ROUTERS = (
    sessions.router,
    keyset.router,
    users.router,
    keys.router,
    audit.router,
    alerts.router,
    jobs.router,
    documentation.router,
)
# A service that is restarted is back within some two seconds; asked in vain meanwhile, it would only start slower.
_FAILURES_TO_OPEN, _BREAKER_OPEN_S = 5, 1.0
# Refused credentials from one address: far above what a confused client sends, far below what a flood would.
_REFUSED_CREDENTIALS = Limit("refused", per_hour=72_000, burst=1_000)
_CLEAN_UP_EVERY_S = 3600.0


class _Stores:
    """The gateway's tables, each behind its adapter."""

    def __init__(self, engine: Engine, clock: Clock, policy: NotificationPolicy | None) -> None:
        self.users = SqlUsers(engine)
        self.keys = SqlKeys(engine)
        self.refresh = SqlRefresh(engine)
        self.audit = SqlAudit(engine)
        self.alerts = SqlAlerts(engine, clock, policy)
        self.notices = SqlNotices(engine)
        self.jobs = StoredJobs(JobStore(engine, clock))


class _Gateway:
    """The parts of one process, made from its settings."""

    def __init__(self, settings: GatewaySettings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.clock = SystemClock()
        self.metrics = ServiceMetrics(settings.service)
        redis_url = settings.redis_url.get_secret_value()
        self.redis: Redis = async_client(redis_url)
        self.waiting_redis: Redis = async_waiting_client(redis_url, wait_s=BLOCK_S)
        self.destinations = open_destinations(_notify_urls(settings))
        self.stores = _Stores(engine, self.clock, _policy(settings) if self.destinations else None)
        self.transport = open_transport()
        self.table: AccessTable = suite_routes()
        self.upstreams: Mapping[Service, Upstream] = upstreams(
            {
                Service.TWIN: settings.twin_url,
                Service.ANOMALY: settings.anomaly_url,
                Service.PLANNER: settings.planner_url,
            },
            connect_timeout_s=settings.connect_timeout_s,
        )
        self.document = SuiteDocument(self.table)
        self.audit_queue = AuditQueue(self.stores.audit.append, self.metrics.registry)
        self.key_uses = KeyUses(self.stores.keys, self.clock)
        self.tokens = AccessTokens(
            open_signer(settings.access_key_file),
            open_verifier(settings.access_key_file, settings.access_verify_files, self.clock),
        )
        self.floors = RedisFloors(self.redis)
        self.counter = RedisCounter(self.redis, self.clock)
        self.hasher = PasslibHasher()
        self.throttle = RedisLoginThrottle(self.redis, self.counter, _login_limits(settings))

    def objects(self) -> list[tuple[type, object]]:
        """What routes may ask for."""
        stores, clock = self.stores, self.clock
        accounts = Accounts(
            users=stores.users,
            hasher=self.hasher,
            floors=self.floors,
            throttle=self.throttle,
            audit=stores.audit,
            clock=clock,
        )
        key_administration = KeyAdministration(
            keys=stores.keys,
            users=stores.users,
            floors=self.floors,
            audit=stores.audit,
            clock=clock,
            entropy=secrets.token_bytes,
        )
        return [
            (Sessions, self._sessions()),
            (Accounts, accounts),
            (KeyAdministration, key_administration),
            (AuditSearch, AuditSearch(stores.audit)),
            (AlertList, AlertList(alerts=stores.alerts, audit=stores.audit, clock=clock)),
            (JobDesk, JobDesk(jobs=stores.jobs, floors=self.floors, audit=stores.audit, clock=clock)),
            (PublicKeys, self.tokens.public_keys),
            (SuiteDocument, self.document),
            (DocumentationAssets, documentation_assets()),
        ]

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Put the door in front of the gateway's own routes."""
        settings, clock = self.settings, self.clock
        degraded = Counter(
            "futago_gateway_without_redis",
            "Requests let in on an earlier verification alone, as Redis was away",
            registry=self.metrics.registry,
        )
        return Door(
            app,
            table=self.table,
            doorman=self._doorman(),
            forwarder=Forwarder(
                self.transport,
                {
                    service: Breaker(failures_to_open=_FAILURES_TO_OPEN, open_s=_BREAKER_OPEN_S)
                    for service in self.upstreams
                },
                clock,
                self.metrics.registry,
            ),
            vouch=InternalTokenSigner(open_signer(settings.identity_private_key_file), clock).sign,
            upstreams=self.upstreams,
            rules=ProxyRules(
                body_limit_bytes=settings.forwarded_body_limit_bytes,
                upload_limit_bytes=settings.upload_limit_bytes,
                deadline_s=settings.upstream_timeout_s,
                answer_timeout_s=settings.upstream_timeout_s,
                upload_timeout_s=settings.upload_timeout_s,
            ),
            observers=Observers(
                audit=self.audit_queue.put, key_used=self.key_uses.note, let_in_without_redis=degraded.inc
            ),
            trusted_proxies=settings.trusted_proxies,
            clock=clock,
        )

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Run what goes on beside the requests; at the end, write what is not yet written and let go of everything."""
        writer = asyncio.create_task(self.audit_queue.run())
        consumer = EventConsumer(
            self.waiting_redis,
            ALERTS,
            group="gateway",
            consumer=f"{socket.gethostname()}-{self.settings.port}",
            handle=self._take_alert,
        )
        work: dict[str, Callable[[], Awaitable[None]]] = {
            "alerts": consumer.run,
            "documents": DocumentFetcher(self.transport, self.upstreams, self.document).run,
            "key_uses": self.key_uses.run,
            "clean_up": self._clean_up,
        }
        if self.destinations:
            work["notifications"] = self._notifier().run
        try:
            async with running(work):
                yield
        finally:
            self.audit_queue.close()
            await writer
            await self.key_uses.store()
            await self.transport.aclose()
            await self.redis.aclose()
            await self.waiting_redis.aclose()
            self.engine.dispose()

    def _sessions(self) -> Sessions:
        settings = self.settings
        return Sessions(
            users=self.stores.users,
            hasher=self.hasher,
            issuer=self.tokens,
            families=self.stores.refresh,
            floors=self.floors,
            throttle=self.throttle,
            audit=self.stores.audit,
            clock=self.clock,
            entropy=secrets.token_bytes,
            lifetimes=Lifetimes(
                access=timedelta(seconds=settings.access_token_life_s),
                refresh_idle=timedelta(seconds=settings.refresh_idle_s),
                session=timedelta(seconds=settings.session_life_s),
            ),
        )

    def _doorman(self) -> Doorman:
        settings = self.settings
        limit = Limit("caller", settings.max_requests_per_hour, settings.burst_requests)
        local_limit = Limit("caller", settings.local_requests_per_hour, settings.local_burst_requests)
        return Doorman(
            authenticator=Authenticator(
                tokens=self.tokens,
                users=self.stores.users,
                families=self.stores.refresh,
                keys=self.stores.keys,
                clock=self.clock,
            ),
            gate=RedisGate(self.counter, limit),
            limit=limit,
            local=LocalLimits(local_limit, self.clock),
            local_limit=local_limit,
            failures=LocalLimits(_REFUSED_CREDENTIALS, self.clock),
        )

    def _notifier(self) -> AlertNotifier:
        return AlertNotifier(
            notices=self.stores.notices,
            destinations=self.destinations,
            give_up_after_s=self.settings.notify_give_up_s,
            clock=self.clock,
            metrics=self.metrics.registry,
        )

    async def _take_alert(self, payload: Mapping[str, JSON]) -> None:
        await self.stores.alerts.take([Alert.from_json(payload)])

    async def _clean_up(self) -> None:
        """Remove sessions that ended a day ago: until then a refresh token that comes back is still told from none."""
        while True:
            await self.stores.refresh.remove_ended(self.clock.now() - timedelta(days=1))
            await asyncio.sleep(_CLEAN_UP_EVERY_S)


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
            signing_key(settings.identity_private_key_file, "the key that vouches for callers"),
            notification_urls(_notify_urls(settings)),
            current_tables(engine, HISTORY, SCRIPTS),
        ]
    )
    gateway = _Gateway(settings, engine)
    app = build_app(
        settings=settings,
        title="Futago",
        routers=_ROUTERS,
        objects=gateway.objects(),
        identity=None,
        metrics=gateway.metrics,
        probes=probes(engine, gateway.redis, gateway.transport, gateway.upstreams, gateway.clock),
        lifespan=gateway.lifespan,
        wrap=gateway.wrap,
    )
    gateway.document.describe_gateway(app.api.openapi)
    app.api.openapi = gateway.document.merged  # type: ignore[method-assign] # FastAPI's documented way to extend it
    return app


def _notify_urls(settings: GatewaySettings) -> list[str]:
    return [url.get_secret_value() for url in settings.notify_urls]


def _policy(settings: GatewaySettings) -> NotificationPolicy:
    return NotificationPolicy(Severity(settings.notify_minimum_severity), repeat_after_s=settings.notify_repeat_s)


def _login_limits(settings: GatewaySettings) -> LoginLimits:
    return LoginLimits(
        pair=Limit("login", settings.login_attempts_per_hour, settings.login_burst),
        user=Limit("login", settings.user_attempts_per_hour, settings.user_burst),
        address=Limit("login", settings.address_attempts_per_hour, settings.address_burst),
    )


if __name__ == "__main__":
    run_service(GatewaySettings, create_app)
