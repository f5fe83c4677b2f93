"""Every route of every service asks who calls, and believes the gateway alone."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from futago.launcher.home import Home
from shared.clock import SystemClock
from shared.http.app import OPEN_PATHS
from shared.internal_token import HEADER, ISSUER, InternalTokenSigner
from shared.jwt import TokenSigner
from shared.principal import ROLE_PERMISSIONS, Principal, Role
from tests.contract.served import application

NOW_S = int(SystemClock().now().timestamp())
ADMIN = Principal("admin", Role.ADMIN, ROLE_PERMISSIONS[Role.ADMIN], (), "password")


class Site:
    """A service with the keys of its suite."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.app, self.keys = name, application(name, folder), Home(folder).keys

    def routes(self) -> list[tuple[str, str]]:
        """Method and path of each route, with something in place of what varies."""
        return [
            (method.upper(), re.sub(r"\{[^}]+\}", "a", path))
            for path, operations in self.app.api.openapi()["paths"].items()
            for method in operations
            if path not in OPEN_PATHS
        ]

    def token(self, audience: str | None = None, key: str = "identity") -> str:
        signer = TokenSigner((self.keys / f"{key}.pem").read_bytes())
        return InternalTokenSigner(signer, SystemClock()).sign(ADMIN, audience or self.name)

    def access_token(self) -> str:
        """What the gateway gives to a user."""
        claims = {"iss": "futago", "aud": "futago", "sub": "admin", "role": "admin", "iat": NOW_S, "exp": NOW_S + 600}
        return TokenSigner((self.keys / "access.pem").read_bytes()).sign(claims)

    def claiming(self, **changes: object) -> str:
        """Signed with the right key, and wrong in one claim."""
        claims = {"iss": ISSUER, "aud": self.name, "sub": "admin", "role": "admin", "permissions": [], "assets": [],
                  "method": "password", "iat": NOW_S, "exp": NOW_S + 60}  # fmt: skip
        return TokenSigner((self.keys / "identity.pem").read_bytes()).sign(claims | changes)

    def refused(self) -> dict[str, dict[str, str]]:
        """Headers that let nobody in."""
        others = {"anomaly", "planner", "twin", "gateway"} - {self.name}
        tokens = {f"for {other}": self.token(other) for other in others}
        tokens |= {
            "expired": self.claiming(iat=NOW_S - 90, exp=NOW_S - 30),
            "of another key": self.token(key="access"),
            "an access token": self.access_token(),
            "of another issuer": self.claiming(iss="futago"),
            "without an end": self.claiming(exp=None),
            "of an unknown role": self.claiming(role="root"),
            "unsigned": self.token().rsplit(".", 1)[0] + ".",
            "nonsense": "nonsense",
            "empty": "",
        }
        headers = {name: {HEADER: token} for name, token in tokens.items()}
        return headers | {
            "none": {},
            "as a bearer token": {"Authorization": f"Bearer {self.token()}"},
            "under a similar name": {"x_futago_identity": self.token()},
        }


@pytest.fixture(scope="module", params=["anomaly", "planner", "twin"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site.app), base_url="http://service") as client:
        yield client


async def test_no_route_answers_whom_the_gateway_has_not_vouched_for(site: Site, client: httpx.AsyncClient):
    routes = site.routes()
    assert len(routes) > 10
    for name, headers in site.refused().items():
        for method, path in routes:
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code == 401, f"{method} {path} with a token {name}"


async def test_a_path_that_does_not_exist_says_so_only_to_whom_it_may(site: Site, client: httpx.AsyncClient):
    assert (await client.get("/nothing-here")).status_code == 401
    assert (await client.get("/nothing-here", headers={HEADER: site.token()})).status_code == 404


async def test_probes_metrics_and_the_contract_are_open_and_nothing_beside_them(site: Site, client: httpx.AsyncClient):
    assert {"/healthz", "/readyz", "/metrics", "/openapi.json"} == OPEN_PATHS
    for path in OPEN_PATHS - {"/readyz"}:
        assert (await client.get(path)).status_code == 200
    for path in ("/healthz/", "//healthz", "/healthz/..", "/metrics/x", "/METRICS", "/docs", "/redoc"):
        assert (await client.get(path)).status_code == 401
