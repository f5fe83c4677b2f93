"""The parts of the gateway's process, each behind its adapter, made from the settings."""

from collections.abc import Callable, Mapping
from pathlib import Path

from redis.asyncio import Redis
from sqlalchemy import Engine

from services.gateway.adapters.access_tokens import AccessTokens
from services.gateway.adapters.audit_office import AuditOffice
from services.gateway.adapters.authenticator_apps import AuthenticatorApps
from services.gateway.adapters.event_hub import EventHub
from services.gateway.adapters.gatehouse import Gatehouse
from services.gateway.adapters.job_book import StoredJobs
from services.gateway.adapters.key_files import open_access_keys
from services.gateway.adapters.key_uses import KeyUses
from services.gateway.adapters.login_throttle import RedisLoginThrottle
from services.gateway.adapters.oidc_providers import open_providers
from services.gateway.adapters.passlib_hasher import PasslibHasher
from services.gateway.adapters.sealed_secrets import SecretBox
from services.gateway.adapters.sql_alerts import SqlAlerts
from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.adapters.sql_identities import SqlIdentities
from services.gateway.adapters.sql_keys import SqlKeys
from services.gateway.adapters.sql_notices import SqlNotices
from services.gateway.adapters.sql_refresh import SqlRefresh
from services.gateway.adapters.sql_second_factors import SqlSecondFactors
from services.gateway.adapters.sql_users import SqlUsers
from services.gateway.adapters.transport import open_transport
from services.gateway.domain.access import AccessTable, Service
from services.gateway.domain.credentials import Authenticator
from services.gateway.domain.documents import SuiteDocument
from services.gateway.domain.doorman import Limits
from services.gateway.domain.duties import DutyRules
from services.gateway.domain.external_callers import ExternalCallers
from services.gateway.domain.notifications import NotificationPolicy
from services.gateway.domain.proofs import Prover
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.routes_table import suite_routes
from services.gateway.domain.throttling import GrowingDelay, LoginLimits
from services.gateway.domain.upstreams import Upstream, upstreams
from services.gateway.settings import GatewaySettings
from shared.clock import Clock, SystemClock
from shared.contracts.alert import Severity
from shared.events import BLOCK_S
from shared.http.metrics import ServiceMetrics
from shared.http.tls import client_context
from shared.jobs.news import JobNews, Tell
from shared.jobs.store import JobStore
from shared.notify import open_destinations
from shared.principal import Role
from shared.redis_client import async_client, async_waiting_client, blocking_client
from shared.redis_metrics import RedisMetrics
from shared.retention import days

# Refused credentials from one address: far above what a confused client sends, far below what a flood would.
_REFUSED_CREDENTIALS = Limit("refused", per_hour=72_000, burst=1_000)
_DAY_S = 24 * 3600.0
# Of a million codes three count at any moment; five guesses, then waits up to an hour, are 33 in a day at most.
_CODE_DELAY = GrowingDelay(free=5, first_s=60.0, longest_s=3600.0, forget_s=_DAY_S)


class Stores:
    """The gateway's tables, each behind its adapter."""

    def __init__(self, engine: Engine, clock: Clock, policy: NotificationPolicy | None, tell: Tell) -> None:
        self.users = SqlUsers(engine)
        self.keys = SqlKeys(engine)
        self.identities = SqlIdentities(engine)
        self.factors = SqlSecondFactors(engine)
        self.refresh = SqlRefresh(engine)
        self.audit = SqlAudit(engine)
        self.alerts = SqlAlerts(engine, clock, policy)
        self.notices = SqlNotices(engine)
        self.jobs = StoredJobs(JobStore(engine, clock, tell))


class Parts:
    """What one process is made of, from its settings: its stores, its connections, its keys."""

    def __init__(self, settings: GatewaySettings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.clock = SystemClock()
        self.metrics = ServiceMetrics(settings.service)
        redis_url = settings.redis_url.get_secret_value()
        redis_metrics = RedisMetrics(self.metrics.registry)
        self.redis: Redis = redis_metrics.watch(async_client(redis_url))
        self.waiting_redis: Redis = async_waiting_client(redis_url, wait_s=BLOCK_S)
        self.destinations = open_destinations(notify_urls(settings))
        policy = _policy(settings) if self.destinations else None
        self.stores = Stores(engine, self.clock, policy, JobNews(blocking_client(redis_url)).tell)
        self.transport = open_transport(client_context(settings.services_ca_file))
        self.table: AccessTable = suite_routes()
        self.upstreams: Mapping[Service, Upstream] = upstreams(
            {
                Service.TWIN: settings.twin_url,
                Service.ANOMALY: settings.anomaly_url,
                Service.PLANNER: settings.planner_url,
            },
            connect_timeout_s=settings.connect_timeout_s,
        )
        self.document = SuiteDocument(self.table, password_form=settings.password_grant)
        self.audit = AuditOffice(
            engine,
            self.stores.audit,
            self.clock,
            self.metrics.registry,
            redis=self.redis,
            waiting_redis=self.waiting_redis,
            key_file=_audit_key_file(settings),
            verify_files=settings.audit_verify_files,
            keep=days(settings.audit_retention_days),
            export_urls=settings.audit_export_urls,
        )
        self.key_uses = KeyUses(self.stores.keys, self.clock)
        self.key_fault: Callable[[], None] = self.metrics.key_file_faults.inc
        self.tokens = AccessTokens(
            open_access_keys(settings.access_key_file, settings.access_verify_files, self.clock, self.key_fault)
        )
        self.external = open_providers(settings.identity_providers, self.clock, self.metrics.registry)
        self.gatehouse = Gatehouse(
            self._authenticator(),
            _limits(settings),
            self.clock,
            self.metrics.registry,
            redis=self.redis,
            watch_redis=async_client(redis_url),
        )
        self.floors = self.gatehouse.floors
        self.event_hub = EventHub(self.waiting_redis, self.metrics.registry)
        self.hasher = PasslibHasher()
        self.throttle = RedisLoginThrottle(self.redis, _login_limits(settings))
        self.apps = AuthenticatorApps()
        self.seals = SecretBox.read(settings.second_factor_key_file)
        self.prover = Prover(
            hasher=self.hasher,
            throttle=self.throttle,
            factors=self.stores.factors,
            seals=self.seals,
            apps=self.apps,
            clock=self.clock,
        )

    def _authenticator(self) -> Authenticator:
        return Authenticator(
            tokens=self.tokens,
            users=self.stores.users,
            families=self.stores.refresh,
            keys=self.stores.keys,
            clock=self.clock,
            duties=DutyRules(
                second_factor_roles=frozenset(map(Role, self.settings.require_second_factor)),
                change_given_passwords=self.settings.require_password_change,
            ),
            external=ExternalCallers(tokens=self.external, identities=self.stores.identities, clock=self.clock),
        )


def notify_urls(settings: GatewaySettings) -> list[str]:
    """Where people are told of alerts."""
    return [url.get_secret_value() for url in settings.notify_urls]


def _audit_key_file(settings: GatewaySettings) -> Path:
    return settings.audit_key_file or settings.identity_private_key_file


def _policy(settings: GatewaySettings) -> NotificationPolicy:
    return NotificationPolicy(Severity(settings.notify_minimum_severity), repeat_after_s=settings.notify_repeat_s)


def _limits(settings: GatewaySettings) -> Limits:
    return Limits(
        caller=Limit("caller", settings.max_requests_per_hour, settings.burst_requests),
        heavy=Limit("heavy", settings.heavy_requests_per_hour, settings.heavy_burst_requests),
        address=Limit("address", settings.open_requests_per_hour, settings.open_burst_requests),
        local=Limit("local", settings.local_requests_per_hour, settings.local_burst_requests),
        refused=_REFUSED_CREDENTIALS,
    )


def _login_limits(settings: GatewaySettings) -> LoginLimits:
    return LoginLimits(
        pair=GrowingDelay(
            settings.login_burst, settings.login_first_delay_s, settings.login_longest_delay_s, forget_s=_DAY_S
        ),
        user=Limit("login", settings.user_attempts_per_hour, settings.user_burst),
        newcomers=Limit("login", settings.newcomers_per_hour, settings.newcomers_per_hour),
        address=Limit("login", settings.address_attempts_per_hour, settings.address_burst),
        code=_CODE_DELAY,
        known_s=settings.login_known_days * _DAY_S,
    )
