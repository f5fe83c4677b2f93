"""Pages of other origins, other networks, and what answers tell a browser to do."""

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import ValidationError

from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin
from services.gateway.settings import GatewaySettings
from tests.integration.gateway.conftest import running

OURS, OTHER = "https://console.example:8443", "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key, Content-Type"}


@pytest.fixture
async def opened(settings: GatewaySettings, admin: FirstAdmin) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway that lets pages of one origin in."""
    async with running(create_app(settings.model_copy(update={"cors_origins": (OURS,)}))) as client:
        yield client


async def test_no_other_origin_is_let_in_unless_it_is_named(gateway: httpx.AsyncClient, admin: FirstAdmin):
    for origin in (OURS, OTHER, "null"):
        asked = await gateway.options("/api/v1/auth/login", headers=PREFLIGHT | {"Origin": origin})
        told = await gateway.get("/api/v1/auth/me", headers={"Origin": origin, "X-API-Key": admin.api_key.text})
        assert (asked.status_code, told.status_code) == (405, 200)
        assert not [name for name in (*asked.headers, *told.headers) if name.startswith("access-control-")]


async def test_a_named_origin_may_ask_without_credentials_and_read_refusals(opened: httpx.AsyncClient):
    asked = await opened.options("/api/v1/twin/predict", headers=PREFLIGHT | {"Origin": OURS})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == OURS
    assert "X-API-Key" in asked.headers["access-control-allow-headers"]
    for path, status in (("/api/v1/twin/models", 401), ("/nowhere", 404)):
        refused = await opened.get(path, headers={"Origin": OURS})
        assert refused.status_code == status
        assert refused.headers["access-control-allow-origin"] == OURS
        assert "X-Request-ID" in refused.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in refused.headers
        assert "Origin" in refused.headers["vary"]


@pytest.mark.parametrize(
    "origin",
    [OTHER, "null", "https://console.example", "http://console.example:8443", f"{OURS}.evil.example", OURS.upper()],
)
async def test_what_only_resembles_a_named_origin_is_not_let_in(opened: httpx.AsyncClient, origin: str):
    asked = await opened.options("/api/v1/twin/predict", headers=PREFLIGHT | {"Origin": origin})
    told = await opened.get("/healthz", headers={"Origin": origin})
    assert asked.status_code == 400
    assert "access-control-allow-origin" not in asked.headers
    assert "access-control-allow-origin" not in told.headers


@pytest.mark.parametrize(
    "origin", ["*", "https://*.example", "https://a.example/", "a.example", "null", "https://A.example"]
)
def test_an_origin_is_named_exactly(settings: GatewaySettings, origin: str):
    with pytest.raises(ValidationError, match="is no origin"):
        GatewaySettings(**(settings.model_dump() | {"cors_origins": [origin]}))


async def test_metrics_are_for_those_inside(gateway: httpx.AsyncClient, settings: GatewaySettings):
    """The client of these tests comes from 192.0.2.7, which their settings take for inside."""
    assert "futago_http_requests_total" in (await gateway.get("/metrics")).text
    by_default = GatewaySettings(**settings.model_dump(exclude={"metrics_networks"}))
    async with running(create_app(by_default)) as client:
        refused = await client.get("/metrics")
        assert (refused.status_code, refused.json()["code"]) == (404, "gateway.path_unknown")
        assert (await client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 404


@pytest.mark.parametrize(
    "path", ["/healthz", "/", "/docs", "/docs/start.js", "/openapi.json", "/nowhere", "/api/v1/users"]
)
async def test_every_answer_tells_a_browser_to_be_careful(gateway: httpx.AsyncClient, path: str):
    headers = (await gateway.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    script_sources = [part for part in policy.split(";") if part.strip().startswith("script-src")]
    assert all("unsafe-inline" not in part for part in script_sources)
