"""What the gateway needs to know; every environment variable starts with `GATEWAY_` (shared ones with `FUTAGO_`)."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, model_validator

from shared.settings import ServiceSettings


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
        (), description="further public keys (PEM) whose access tokens still count, while keys are rotated"
    )
    identity_private_key_file: Path = Field(
        description="private key (PEM, P-256) that signs what the services believe about a caller"
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="networks whose X-Forwarded-For is believed; none unless a proxy of your own stands in front"
    )
    access_token_life_s: int = Field(600, ge=30, le=3600, description="how long an access token counts")
    refresh_idle_s: int = Field(24 * 3600, ge=60, description="a refresh token that is not used for so long is void")
    session_life_s: int = Field(30 * 24 * 3600, ge=60, description="absolute end of a session, however often refreshed")
    max_requests_per_hour: int = Field(
        360_000,
        gt=0,
        le=3_600_000_000,
        description="allowance of each user and each API key; 360 000 is 100 a second, steadily",
    )
    burst_requests: int = Field(2_000, gt=0, description="how many of them may come at once")
    local_requests_per_hour: int = Field(
        36_000, gt=0, description="allowance of each caller on one replica while Redis is away"
    )
    local_burst_requests: int = Field(100, gt=0, description="how many of them may come at once")
    login_attempts_per_hour: int = Field(60, gt=0, description="attempts as one user from one address")
    login_burst: int = Field(10, gt=0, description="how many of them may come at once")
    user_attempts_per_hour: int = Field(600, gt=0, description="attempts as one user from anywhere")
    user_burst: int = Field(100, gt=0, description="how many of them may come at once")
    address_attempts_per_hour: int = Field(3_600, gt=0, description="attempts from one address as anybody")
    address_burst: int = Field(200, gt=0, description="how many of them may come at once")
    connect_timeout_s: float = Field(1.0, gt=0, description="longest wait for a connection to a service")
    upstream_timeout_s: float = Field(35.0, gt=0, description="longest wait for the next bytes of a service's answer")
    upload_timeout_s: float = Field(900.0, gt=0, description="longest time from the start of an upload to its answer")
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

    @model_validator(mode="before")
    @classmethod
    def _port_by_its_old_name(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("api_port") is not None:
            values.setdefault("port", values["api_port"])
        return values
