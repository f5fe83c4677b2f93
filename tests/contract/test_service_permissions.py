"""A service asks again: whoever reaches its port past the gateway's door finds the same permissions there."""

import asyncio
from pathlib import Path

import httpx
import pytest

from futago.launcher.home import Home
from services.gateway.domain.access import Service
from services.gateway.domain.routes_table import suite_routes
from shared.clock import SystemClock
from shared.internal_token import HEADER, InternalTokenSigner
from shared.jwt import TokenSigner
from shared.principal import ROLE_PERMISSIONS, Principal, Role
from tests.contract.served import application
from tests.security.expected_access import EXPECTED, expected_to_pass

ROUTES = [route for route in suite_routes().routes if route.service is not Service.GATEWAY]
SERVICES = sorted({route.service for route in ROUTES})
Outcome = set[tuple[str, str]]


async def let_in(service: Service, folder: Path, headers: dict[str, str]) -> Outcome:
    """Ask a service for each of its routes; those it did not answer with 401 or a missing permission."""
    transport = httpx.ASGITransport(application(service.value, folder))
    passed: Outcome = set()
    async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
        for route in (route for route in ROUTES if route.service is service):
            path = route.pattern.replace("{", "no-such-").replace("}", "")
            answer = await client.request(route.method, path, headers=headers)
            # Without Redis and workers some of what is allowed cannot be done; a bug would be a 500.
            assert answer.status_code != 500, (route.method, path, answer.text)
            refused = answer.status_code == 401 or (
                answer.status_code == 403 and answer.json()["code"] == "auth.not_allowed"
            )
            if not refused:
                passed.add((route.method, route.pattern))
    return passed


def vouched_for(folder: Path, role: Role, audience: str, assets: tuple[str, ...] = ()) -> dict[str, str]:
    """The identity that the gateway would hand on."""
    signer = InternalTokenSigner(TokenSigner((Home(folder).keys / "identity.pem").read_bytes()), SystemClock())
    return {HEADER: signer.sign(Principal("ann", role, ROLE_PERMISSIONS[role], assets), audience)}


@pytest.fixture(scope="module", params=SERVICES)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What everybody reached of one service, by role, without an identity, and with one for another service."""
    service: Service = request.param
    folder = tmp_path_factory.mktemp(service.value)
    application(service.value, folder)
    other = next(name for name in SERVICES if name is not service)
    callers = {role.value: vouched_for(folder, role, service.value) for role in Role}
    callers |= {"nobody": {}, "of another service": vouched_for(folder, Role.ADMIN, other.value)}
    found = {who: asyncio.run(let_in(service, folder, headers)) for who, headers in callers.items()}
    return found | {"all": {(route.method, route.pattern) for route in ROUTES if route.service is service}}


@pytest.mark.parametrize("role", Role)
def test_a_service_lets_in_exactly_who_is_expected(asked: dict[str, Outcome], role: Role):
    assert asked[role.value] == {route for route in asked["all"] if expected_to_pass(*route, role)}


@pytest.mark.parametrize("who", ["nobody", "of another service"])
def test_a_service_lets_in_nobody_who_is_not_vouched_for_to_it(asked: dict[str, Outcome], who: str):
    assert asked[who] == set()


def test_everything_a_service_serves_stands_in_the_table(tmp_path: Path):
    open_paths = {"/healthz", "/readyz", "/metrics", "/openapi.json"}
    for service in SERVICES:
        served = application(service.value, tmp_path / service.value).api.openapi()["paths"]
        table = suite_routes()
        for path, operations in served.items():
            if path in open_paths:
                continue
            found = table.find(tuple(path.replace("{", "").replace("}", "").strip("/").split("/")))
            known = {method.lower() for method, route in found.items() if route.service is service}
            assert operations.keys() <= known, (service, path)
            assert {(method.upper(), found[method.upper()].pattern) for method in operations} <= EXPECTED.keys()
