"""What the gateway needs to know; every environment variable starts with `GATEWAY_` (shared ones with `FUTAGO_`)."""

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from shared.settings import ServiceSettings

_LEAST_AUDIT_DAYS = 90
# As a browser writes it (RFC 6454, 6.2): in lower case, without a path. A pattern would let in more than is meant.
_ORIGIN = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?")


def _path(value: object) -> object:
    # A list is for names that have dots in them, such as `["https://plant.example/roles"]`.
    return value.split(".") if isinstance(value, str) else value


_ClaimPath = Annotated[tuple[str, ...], BeforeValidator(_path), Field(min_length=1)]


class IdentityProviderSettings(BaseModel):
    """An OpenID Connect provider whose tokens are accepted as bearer tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$", description="stands before `sub` in the audit")
    issuer: str = Field(min_length=1, description="`iss` of its tokens, exactly")
    audience: str = Field(min_length=1, description="what `aud` of its tokens must name")
    jwks_uri: str | None = Field(None, description="where its keys lie; found by discovery unless given")
    algorithms: tuple[Literal["RS256", "ES256"], ...] = Field(("RS256",), min_length=1)
    token_use: Literal["access_token", "id_token"] = Field("access_token", description="which of its tokens is sent")
    clock_leeway_s: int = Field(10, ge=0, le=120, description="how far its clock may be ahead")
    role_claim: _ClaimPath = Field(("groups",), description="claim with the groups, such as `realm_access.roles`")
    roles: dict[str, Literal["viewer", "operator", "engineer", "admin"]] = Field(
        min_length=1, description="the role that each group gives; who is in none is refused"
    )
    assets_claim: _ClaimPath | None = Field(
        None, description="claim with asset subtrees, `*` for all; without it, nobody is limited to some"
    )
    name_claim: _ClaimPath = Field(("preferred_username",), description="claim with a name for people to read")
    required_claims: dict[str, tuple[str, ...]] = Field(
        {}, description="claims that must have one of these values, such as `azp`, `tid` or `acr`"
    )
    ca_file: Path | None = Field(None, description="certificates (PEM) that sign the provider's, if not the world's")


class GatewaySettings(ServiceSettings):
    """Settings of the gateway."""

    service: ClassVar[str] = "gateway"

    port: int = Field(8080, ge=0, lt=65536, description="the suite's public port")
    api_port: int | None = Field(
        None, ge=0, lt=65536, description="`port` under the name it has in the original specification's configuration"
    )
    twin_url: str = Field("http://127.0.0.1:8101", description="where the twin listens")
    anomaly_url: str = Field("http://127.0.0.1:8102", description="where the anomaly service listens")
    planner_url: str = Field("http://127.0.0.1:8103", description="where the planner listens")
    body_limit_bytes: int = Field(
        64 * 1024, gt=0, description="largest body of the gateway's own routes; anybody may send one to the login"
    )
    forwarded_body_limit_bytes: int = Field(
        32 * 1024**2, gt=0, description="largest body that goes on to a service and is not an upload"
    )
    access_key_file: Path = Field(description="private key (PEM, P-256) that signs access tokens")
    access_verify_files: tuple[Path, ...] = Field(
        (),
        description="files of further public keys (PEM), one or several in each, whose access tokens count while keys "
        "are rotated",
    )
    identity_private_key_file: Path = Field(
        description="private key (PEM, P-256) that signs what the services believe about a caller"
    )
    second_factor_key_file: Path = Field(
        description="key (64 hexadecimal digits) that encrypts the secrets of second factors in the database"
    )
    require_second_factor: Annotated[tuple[Literal["viewer", "operator", "engineer", "admin"], ...], NoDecode] = Field(
        (), description="roles whose users need a second factor, such as `admin` or `admin,engineer`"
    )
    require_password_change: bool = Field(
        default=False,
        description="a password that was given to a user only serves to set another",
    )
    password_grant: bool = Field(
        default=True,
        description="`POST /api/v1/auth/token` takes the password form of OAuth 2; without it, people log in at "
        "`POST /api/v1/auth/login` only",
    )
    fresh_login_s: int = Field(
        900, ge=60, description="users end their own sessions in one that they logged in to so recently"
    )
    fresh_login_for_keys_s: int = Field(
        12 * 3600,
        ge=0,
        description="API keys are made and rotated in a session that was logged in to so recently; 0 for any. NIST SP "
        "800-63B (2017), section 4.2.3: twelve hours",
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="networks whose X-Forwarded-For is believed; none unless a proxy of your own stands in front"
    )
    identity_providers: tuple[IdentityProviderSettings, ...] = Field(
        (), description="OpenID Connect providers whose tokens are accepted"
    )
    key_expiry_notice_days: int = Field(
        30, ge=0, le=365, description="people are told so long before an API key ends; 0 tells nobody"
    )
    access_token_life_s: int = Field(600, ge=30, le=3600, description="how long an access token counts")
    refresh_idle_s: int = Field(24 * 3600, ge=60, description="a refresh token that is not used for so long is void")
    session_life_s: int = Field(30 * 24 * 3600, ge=60, description="absolute end of a session, however often refreshed")
    connections_per_address: int = Field(
        1000, gt=0, description="open connections from one address or IPv6 /64, those of trusted proxies apart"
    )
    max_requests_per_hour: int = Field(
        360_000,
        gt=0,
        le=3_600_000_000,
        description="most requests of each user and each API key in any sixty minutes, on all replicas together",
    )
    burst_requests: int = Field(2_000, gt=0, description="how many of them may come at once")
    heavy_requests_per_hour: int = Field(
        3_600, gt=0, le=3_600_000_000, description="those among them that start trainings and plans or upload files"
    )
    heavy_burst_requests: int = Field(600, gt=0, description="how many of them may come at once")
    open_requests_per_hour: int = Field(
        72_000,
        gt=0,
        le=3_600_000_000,
        description="most requests of each address, in any sixty minutes, for what is open to everybody",
    )
    open_burst_requests: int = Field(600, gt=0, description="how many of them may come at once")
    local_requests_per_hour: int = Field(
        36_000, gt=0, description="allowance of each caller on one replica while Redis is away"
    )
    local_burst_requests: int = Field(100, gt=0, description="how many of them may come at once")
    login_burst: int = Field(10, gt=0, description="attempts as one user from one address before there is a wait")
    login_first_delay_s: float = Field(2.0, gt=0, le=86_400, description="that wait, which doubles with each attempt")
    login_longest_delay_s: float = Field(900.0, gt=0, le=86_400, description="the longest wait")
    login_known_days: int = Field(
        30, gt=0, description="how long an address counts as one from which a user logs in, after the last time"
    )
    user_attempts_per_hour: int = Field(
        120, gt=0, description="attempts as one user from all addresses from which this user does not log in"
    )
    user_burst: int = Field(60, gt=0, description="how many of them may come at once")
    newcomers_per_hour: int = Field(
        1_000, gt=0, description="such addresses whose first attempt of a day as one user is counted apart from that"
    )
    address_attempts_per_hour: int = Field(3_600, gt=0, description="attempts from one address as anybody")
    address_burst: int = Field(200, gt=0, description="how many of them may come at once")
    connect_timeout_s: float = Field(1.0, gt=0, description="longest wait for a connection to a service")
    upstream_timeout_s: float = Field(
        35.0, gt=0, description="longest wait for a service's answer to begin, and for each further part of it"
    )
    upload_timeout_s: float = Field(900.0, gt=0, description="longest time from the start of an upload to its answer")
    job_retention_days: int = Field(90, ge=0, description="how long a job is listed after its end; 0 for ever")
    alert_retention_days: int = Field(
        400, ge=0, description="how long an alert is listed after it was acknowledged; 0 for ever"
    )
    audit_key_file: Path | None = Field(
        None,
        description="private key (PEM, P-256) that signs checkpoints of the audit trail; if left out, the one that "
        "vouches for callers",
    )
    audit_verify_files: tuple[Path, ...] = Field(
        (), description="public keys (PEM, P-256) that signed checkpoints of the audit trail before"
    )
    audit_retention_days: int = Field(
        365,
        ge=0,
        description="how long an entry of the audit trail is kept, 90 at least; 0 for ever. PCI DSS 4.0.1, requirement "
        "10.5.1: twelve months kept, three of them at hand",
    )
    audit_export_urls: tuple[str, ...] = Field(
        (), description="where the audit trail goes besides: file:///…, stdout:, syslog+udp|tcp|tls://host:port"
    )
    notify_urls: tuple[SecretStr, ...] = Field(
        (), description="where people are told of alerts: apprise URLs such as slack://…, mailtos://…, pagerduty://…"
    )
    notify_minimum_severity: Literal["info", "warning", "critical"] = Field(
        "warning", description="alerts below it stay on the list"
    )
    notify_repeat_s: float = Field(
        3600.0, ge=0, description="people are told again of what persists after this time, or when it becomes worse"
    )
    notify_give_up_s: float = Field(
        24 * 3600.0, gt=0, description="a message that cannot be delivered for so long is dropped and counted"
    )

    metrics_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="who may read /metrics of the gateway; to others there is no such path",
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="origins of web pages that may call the suite, such as https://plant.example; none unless named"
    )
    services_ca_file: Path | None = Field(
        None, description="authority (PEM) of the services' certificates, where their URLs begin with https://"
    )

    @field_validator("require_second_factor", mode="before")
    @classmethod
    def _roles_by_commas(cls, value: object) -> object:
        # In the environment also as other lists are written there, `["admin"]`.
        return re.findall(r"[^\s,\[\]\"]+", value) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _exact_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin: write scheme, host and port, as https://plant.example:8443")
        return origins

    @field_validator("audit_retention_days")
    @classmethod
    def _long_enough(cls, days: int) -> int:
        if 0 < days < _LEAST_AUDIT_DAYS:
            raise ValueError(f"the audit trail is kept for {_LEAST_AUDIT_DAYS} days at least")
        return days

    @model_validator(mode="before")
    @classmethod
    def _port_by_its_old_name(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("api_port") is not None:
            values.setdefault("port", values["api_port"])
        return values

    @property
    def addresses_of_many(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """A trusted proxy's address stands for all its clients."""
        return self.trusted_proxies
