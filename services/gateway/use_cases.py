"""What the gateway's routes may ask for: its use cases, made from the parts."""

import secrets
from datetime import timedelta

from services.gateway.adapters.common_passwords import CommonPasswords
from services.gateway.adapters.documentation_assets import documentation_assets
from services.gateway.domain.accounts import Accounts
from services.gateway.domain.alerts import AlertList
from services.gateway.domain.audit_search import AuditSearch
from services.gateway.domain.claims import KeyList
from services.gateway.domain.documents import DocumentationAssets, SuiteDocument
from services.gateway.domain.events import EventDesk
from services.gateway.domain.factor_administration import FactorAdministration
from services.gateway.domain.fresh_login import FreshLogin
from services.gateway.domain.identity_administration import IdentityAdministration
from services.gateway.domain.jobs import JobDesk
from services.gateway.domain.key_administration import KeyAdministration
from services.gateway.domain.password_form import PasswordForm
from services.gateway.domain.passwords import PasswordPolicy
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.session_desk import SessionDesk
from services.gateway.domain.sessions import Lifetimes, Sessions
from services.gateway.parts import Parts
from shared.clock import Clock


def use_cases(parts: Parts) -> list[tuple[type, object]]:
    """What routes may ask for."""
    stores, clock = parts.stores, parts.clock
    accounts = Accounts(
        users=stores.users,
        hasher=parts.hasher,
        prover=parts.prover,
        policy=PasswordPolicy(CommonPasswords()),
        floors=parts.floors,
        throttle=parts.throttle,
        audit=stores.audit,
        clock=clock,
    )
    key_administration = KeyAdministration(
        keys=stores.keys,
        users=stores.users,
        floors=parts.floors,
        audit=stores.audit,
        clock=clock,
        entropy=secrets.token_bytes,
        fresh=FreshLogin(stores.refresh, clock, timedelta(seconds=parts.settings.fresh_login_for_keys_s)),
        ceiling=Limit("key", parts.settings.max_requests_per_hour, parts.settings.burst_requests),
    )
    sessions = _sessions(parts)
    return [
        (Clock, clock),
        (Sessions, sessions),
        (PasswordForm, PasswordForm(sessions, offered=parts.settings.password_grant)),
        (SessionDesk, _session_desk(parts)),
        (Accounts, accounts),
        (FactorAdministration, _factor_administration(parts)),
        (KeyAdministration, key_administration),
        (
            IdentityAdministration,
            IdentityAdministration(identities=stores.identities, floors=parts.floors, audit=stores.audit, clock=clock),
        ),
        (AuditSearch, AuditSearch(parts.audit.book)),
        (EventDesk, EventDesk(feed=parts.event_hub, floors=parts.gatehouse.known, clock=clock)),
        (AlertList, AlertList(alerts=stores.alerts, audit=stores.audit, clock=clock)),
        (JobDesk, JobDesk(jobs=stores.jobs, floors=parts.floors, audit=stores.audit, clock=clock)),
        (KeyList, parts.tokens),
        (SuiteDocument, parts.document),
        (DocumentationAssets, documentation_assets()),
    ]


def _sessions(parts: Parts) -> Sessions:
    settings = parts.settings
    return Sessions(
        users=parts.stores.users,
        hasher=parts.hasher,
        prover=parts.prover,
        issuer=parts.tokens,
        families=parts.stores.refresh,
        floors=parts.floors,
        throttle=parts.throttle,
        audit=parts.stores.audit,
        clock=parts.clock,
        entropy=secrets.token_bytes,
        lifetimes=Lifetimes(
            access=timedelta(seconds=settings.access_token_life_s),
            refresh_idle=timedelta(seconds=settings.refresh_idle_s),
            session=timedelta(seconds=settings.session_life_s),
        ),
    )


def _session_desk(parts: Parts) -> SessionDesk:
    stores = parts.stores
    return SessionDesk(
        sessions=stores.refresh,
        users=stores.users,
        floors=parts.floors,
        audit=stores.audit,
        clock=parts.clock,
        fresh=FreshLogin(stores.refresh, parts.clock, timedelta(seconds=parts.settings.fresh_login_s)),
    )


def _factor_administration(parts: Parts) -> FactorAdministration:
    return FactorAdministration(
        users=parts.stores.users,
        factors=parts.stores.factors,
        prover=parts.prover,
        throttle=parts.throttle,
        apps=parts.apps,
        seals=parts.seals,
        floors=parts.floors,
        audit=parts.stores.audit,
        clock=parts.clock,
        entropy=secrets.token_bytes,
    )
