"""A caller limited to some assets, at every route that takes the name of one; and no body takes more than it says."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from services.gateway.domain.access import Service
from shared.principal import Role
from tests.contract.served import COMMITTED, application
from tests.contract.test_service_permissions import SERVICES, vouched_for
from tests.security.asset_rules import PAGE, RULES, Rule, page
from tests.security.expected_access import EXPECTED

Call = dict[str, Any]
INSIDE, DEEPER = "acme.osaka", "acme.osaka.reactor.r101"
# One begins with the same letters, one is the parent, one is elsewhere; and none at all.
OUTSIDE = ("acme.osaka2", "acme", "acme.tokyo.r1", None)
ROWS = {"columns": ["a"], "rows": [[1.0]]}
OBSERVATION = {"inputs": {"a": 1}, "actual": 1.0}
TENSOR = {"inputs": [{"name": "features", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}]}


def query(path: str, body: object = None, method: str = "POST", **others: str) -> Callable[[str | None], Call]:
    """A call that names its asset in the query, beside other parameters."""
    return lambda asset: (
        {"method": method, "url": path, "params": others if asset is None else others | {"asset": asset}}
        | ({} if body is None else {"json": body})
    )


def problem(*assets: str | None) -> dict[str, Any]:
    """A problem with a device for each of the assets."""
    return {
        "horizon": {"start": "2026-04-01", "end": "2026-09-30"},
        "calendar": {"weekend": ["sat", "sun"], "holidays": []},
        "areas": 1,
        "device_types": [{"type": "A", "inspection_days": 3, "class": "large"}],
        "devices": [
            {"id": f"A{i}", "type": "A", "previous_end": "2026-01-15", "asset": a} for i, a in enumerate(assets)
        ],
        "rules": [{"rule": "daily_limit", "level": "hard", "weight": 100, "max": 1}],
    }


TWIN, ANOMALY, PLANNER = "/api/v1/twin", "/api/v1/anomaly", "/api/v1/planner"
# Each as often as there are ways to name the asset: alone, and behind one that is in reach.
CALLS: list[tuple[str, Callable[[str | None], Call]]] = [
    (f"POST {TWIN}/predict", query(f"{TWIN}/predict", {"a": 1})),
    # Read by the documented route: the one before it takes the plain form only.
    (f"POST {TWIN}/predict", query(f"{TWIN}/predict", {"a": 1}, level="0.90000000000000001")),
    (f"POST {TWIN}/batch", query(f"{TWIN}/batch", {"inputs": [{"a": 1}]})),
    (f"POST {TWIN}/observations", lambda a: {"url": f"{TWIN}/observations", "json": OBSERVATION | {"asset": a}}),
    (
        f"POST {TWIN}/observations",
        lambda a: {
            "url": f"{TWIN}/observations",
            "json": {"observations": [OBSERVATION | {"asset": DEEPER}, OBSERVATION | {"asset": a}]},
        },
    ),
    ("POST /v2/models/{model}/infer", lambda a: {"url": "/v2/models/m/infer", "json": tensor_of(a)}),
    (
        "POST /v2/models/{model}/versions/{version}/infer",
        lambda a: {"url": "/v2/models/m/versions/1/infer", "json": tensor_of(a)},
    ),
    (f"GET {TWIN}/timeseries", query(f"{TWIN}/timeseries", method="GET", metric="lower", model="m")),
    (f"GET {ANOMALY}/timeseries", query(f"{ANOMALY}/timeseries", method="GET", metric="health")),
    (f"POST {ANOMALY}/detectors/{{name}}/score", query(f"{ANOMALY}/detectors/d/score", ROWS)),
    (
        f"POST {ANOMALY}/detectors/{{name}}/stream/{{asset}}",
        lambda a: {
            "url": f"{ANOMALY}/detectors/d/stream/{a}",
            "json": {"rows": [[1.0]], "timestamps": ["2026-04-01T00:00:00Z"]},
        },
    ),
    (f"GET {ANOMALY}/detectors/{{name}}/drift", query(f"{ANOMALY}/detectors/d/drift", method="GET")),
    (f"GET {ANOMALY}/assets/{{asset}}/health", lambda a: {"method": "GET", "url": f"{ANOMALY}/assets/{a}/health"}),
    (
        f"POST {PLANNER}/plans",
        lambda a: {
            "url": f"{PLANNER}/plans",
            # Longer than any search may be, so that what is in reach is refused for another reason.
            "json": {"problem": problem(DEEPER, a), "termination": {"seconds": 86400}},
        },
    ),
    (
        f"POST {PLANNER}/score",
        lambda a: {"url": f"{PLANNER}/score", "json": {"problem": problem(DEEPER, a), "plan": {"assignments": []}}},
    ),
    (
        f"POST {PLANNER}/compare",
        lambda a: {
            "url": f"{PLANNER}/compare",
            "json": {"plans": [{"problem": problem(x), "plan": {"assignments": []}} for x in (a, DEEPER)]},
        },
    ),
    (
        f"POST {PLANNER}/inspections",
        lambda a: {
            "url": f"{PLANNER}/inspections",
            "json": {"device": "A1", "asset": a, "started": "2026-04-01", "finished": "2026-04-02"},
        },
    ),
]


def tensor_of(asset: str | None) -> dict[str, Any]:
    return TENSOR if asset is None else TENSOR | {"parameters": {"asset": asset}}


def service_of(route: str) -> Service:
    path = route.split()[1]
    return Service.TWIN if path.startswith("/v2") else Service(path.split("/")[3])


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Service, Call], httpx.Response]:
    """Call a service as an engineer limited to one subtree."""
    folders = {service: tmp_path_factory.mktemp(service.value) for service in SERVICES}
    apps = {service: application(service.value, folder) for service, folder in folders.items()}

    async def send(service: Service, call: Call) -> httpx.Response:
        transport = httpx.ASGITransport(apps[service])
        async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
            headers = vouched_for(folders[service], Role.ENGINEER, service.value, assets=(INSIDE,))
            return await client.request(**({"method": "POST"} | call), headers=headers)

    return lambda service, call: asyncio.run(send(service, call))


@pytest.mark.parametrize(("route", "call"), CALLS, ids=[route for route, _ in CALLS])
def test_only_assets_in_reach_may_be_named_and_one_must_be(
    ask: Callable[[Service, Call], httpx.Response], route: str, call: Callable[[str | None], Call]
):
    service = service_of(route)
    for asset in OUTSIDE:
        # There it cannot be left out.
        if asset is None and ("{asset}" in route or route.endswith("/timeseries")):
            continue
        answer = ask(service, call(asset))
        assert (answer.status_code, answer.json().get("code")) == (403, "auth.asset_out_of_reach"), (asset, answer.text)
    for asset in (INSIDE, DEEPER):
        answer = ask(service, call(asset))
        assert answer.status_code not in {401, 403, 500}, (asset, answer.text)
        # The body was read and understood: it is refused for what is not there, or not at all.
        assert answer.json().get("code") not in {"request.invalid", "request.not_json"}, answer.text


def test_every_route_that_takes_the_name_of_an_asset_is_asked():
    named = {route for route, rule in RULES.items() if rule is Rule.NAMED}
    assert named <= {route for route, _ in CALLS}


def test_every_route_has_a_rule_and_the_page_says_so():
    assert RULES.keys() == {f"{method} {path}" for method, path in EXPECTED}
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.security.asset_rules"


# The names in these bodies are features of a model or settings of a method, and are judged by those, one by one.
_OPEN_BODIES = {
    "/api/v1/twin/predict",
    "/api/v1/twin/observations",
    "/v2/models/{model}/infer",
    "/v2/models/{model}/versions/{version}/infer",
    "/api/v1/anomaly/detectors/{name}/threshold",
}


def bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every JSON body that the suite documents, with its schema."""
    for service in Service:
        document = json.loads((COMMITTED / f"{service.value}.json").read_text(encoding="utf-8"))
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                content = operation.get("requestBody", {}).get("content", {}).get("application/json")
                if content is None or path in _OPEN_BODIES:
                    continue
                schema = content["schema"]
                choices = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
                for choice in choices:
                    name = choice["$ref"].rpartition("/")[2]
                    yield f"{method.upper()} {path}", document["components"]["schemas"][name]


@pytest.mark.parametrize(("route", "schema"), [pytest.param(*body, id=body[0]) for body in bodies()])
def test_a_body_takes_no_field_that_it_does_not_name(route: str, schema: dict[str, Any]):
    assert schema.get("additionalProperties") is False, route
