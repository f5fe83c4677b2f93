"""The configured identity providers, ready to be asked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import httpx
from prometheus_client import CollectorRegistry, Counter

from services.gateway.adapters.oidc_key_source import KeySource, is_safe_address, open_http
from services.gateway.adapters.oidc_tokens import OidcTokens
from services.gateway.domain.external_identity import ClaimPath, IdentityProvider, TokenUse
from shared.clock import Clock
from shared.http.tls import client_context
from shared.principal import Role
from shared.startup import Check


class ConfiguredProvider(Protocol):
    """A provider as the settings have it; see `external_identity.IdentityProvider`."""

    @property
    def name(self) -> str: ...
    @property
    def issuer(self) -> str: ...
    @property
    def audience(self) -> str: ...
    @property
    def jwks_uri(self) -> str | None: ...
    @property
    def algorithms(self) -> Sequence[str]: ...
    @property
    def token_use(self) -> str: ...
    @property
    def clock_leeway_s(self) -> int: ...
    @property
    def role_claim(self) -> ClaimPath: ...
    @property
    def roles(self) -> Mapping[str, str]: ...
    @property
    def assets_claim(self) -> ClaimPath | None: ...
    @property
    def name_claim(self) -> ClaimPath: ...
    @property
    def required_claims(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def ca_file(self) -> Path | None: ...


def open_providers(configured: Sequence[ConfiguredProvider], clock: Clock, registry: CollectorRegistry) -> OidcTokens:
    """Make ready to verify tokens of each provider; nothing is fetched yet."""
    fetches = Counter(
        "futago_gateway_identity_provider_fetches",
        "Fetches of an identity provider's keys",
        ("provider", "outcome"),
        registry=registry,
    )
    return OidcTokens(
        [
            KeySource(_provider(one), one.jwks_uri, http=open_http(one.ca_file), clock=clock, fetches=fetches)
            for one in configured
        ],
        clock,
    )


def providers_usable(configured: Sequence[ConfiguredProvider]) -> Check:
    """Each provider has a name and an issuer of its own, addresses that nobody can forge, and certificates."""

    def check() -> str | None:
        faults = [fault for one in configured for fault in _faults(one)]
        if len({one.name for one in configured}) < len(configured):
            faults.append("two providers have the same name")
        if len({one.issuer for one in configured}) < len(configured):
            faults.append("two providers have the same issuer")
        return f"identity_providers: {'; '.join(faults)}" if faults else None

    return check


def _faults(one: ConfiguredProvider) -> list[str]:
    faults = [
        f"{one.name}: {url} has to begin with https:// (http:// only on this machine itself)"
        for url in (one.issuer, one.jwks_uri)
        if url is not None and not is_safe_address(url)
    ]
    # OpenID Connect Discovery 1.0, section 3.
    if not faults and (httpx.URL(one.issuer).query or httpx.URL(one.issuer).fragment):
        faults.append(f"{one.name}: an issuer has neither query nor fragment")
    try:
        client_context(one.ca_file)
    except OSError as error:
        faults.append(f"{one.name}: {one.ca_file} cannot be used ({error.strerror or type(error).__name__})")
    return faults


def _provider(one: ConfiguredProvider) -> IdentityProvider:
    return IdentityProvider(
        name=one.name,
        issuer=one.issuer,
        audience=one.audience,
        algorithms=frozenset(one.algorithms),
        token_use=TokenUse(one.token_use),
        leeway_s=one.clock_leeway_s,
        role_claim=one.role_claim,
        roles={group: Role(role) for group, role in one.roles.items()},
        assets_claim=one.assets_claim,
        name_claim=one.name_claim,
        required={tuple(claim.split(".")): frozenset(values) for claim, values in one.required_claims.items()},
    )
