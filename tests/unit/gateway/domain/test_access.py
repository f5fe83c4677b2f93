"""The table of routes: what is in it is guarded, what is not is refused."""

import pytest

from services.gateway.domain.access import AccessTable, Entry, Route, Service, authorise, methods_of
from services.gateway.domain.errors import NotAllowed
from services.gateway.domain.routes_table import suite_routes
from shared.principal import ROLE_PERMISSIONS, Permission, Principal, Role

TABLE = suite_routes()


def caller(role: Role) -> Principal:
    return Principal("ann", role, ROLE_PERMISSIONS[role])


def find(method: str, path: str) -> Route | None:
    return TABLE.find(tuple(filter(None, path.split("/")))).get(method)


@pytest.mark.parametrize(
    ("method", "path", "needs", "service"),
    [
        ("POST", "/api/v1/twin/predict", Permission.PREDICT, Service.TWIN),
        ("POST", "/api/v1/twin/models", Permission.PUBLISH, Service.TWIN),
        ("DELETE", "/api/v1/twin/models/m/versions/3", Permission.PUBLISH, Service.TWIN),
        ("POST", "/v2/models/m/infer", Permission.PREDICT, Service.TWIN),
        ("GET", "/v2", Permission.READ, Service.TWIN),
        ("POST", "/api/v1/anomaly/detectors/d/stream/acme.r101", Permission.SCORE, Service.ANOMALY),
        ("PUT", "/api/v1/anomaly/detectors/d/threshold", Permission.SET_THRESHOLD, Service.ANOMALY),
        ("GET", "/api/v1/planner/plans/p.xlsx", Permission.READ, Service.PLANNER),
        ("POST", "/api/v1/planner/plans", Permission.PLAN, Service.PLANNER),
        ("GET", "/api/v1/audit", Permission.READ_AUDIT, Service.GATEWAY),
        ("GET", "/", Entry.OPEN, Service.GATEWAY),
        ("POST", "/api/v1/auth/login", Entry.OPEN, Service.GATEWAY),
        ("POST", "/api/v1/auth/logout", Entry.SIGNED_IN, Service.GATEWAY),
    ],
)
def test_a_route_says_what_it_needs_and_who_answers(method: str, path: str, needs: object, service: Service):
    route = find(method, path)
    assert route is not None
    assert (route.needs, route.service) == (needs, service)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("GET", "/api"),
        ("GET", "/api/v1/twin"),
        ("GET", "/api/v1/twin/unheard-of"),
        ("DELETE", "/api/v1/twin/predict"),
        ("POST", "/api/v1/twin/predict/more"),
        ("GET", "/api/v1/planner/plans/a/b/c"),
        ("GET", "/api/v1/twin/healthz"),
        ("get", "/api/v1/twin/models"),
    ],
)
def test_what_the_table_does_not_name_is_nowhere(method: str, path: str):
    assert find(method, path) is None


def test_a_fixed_segment_wins_over_one_that_varies():
    table = AccessTable([Route("GET", "/a/{x}", Permission.READ), Route("GET", "/a/b", Permission.PLAN)])
    assert table.find(("a", "b"))["GET"].needs is Permission.PLAN
    assert table.find(("a", "c"))["GET"].needs is Permission.READ


def test_a_fixed_segment_that_leads_nowhere_does_not_hide_one_that_varies():
    table = AccessTable([Route("GET", "/a/b/c", Permission.READ), Route("GET", "/a/{x}/d", Permission.PLAN)])
    assert table.find(("a", "b", "d"))["GET"].needs is Permission.PLAN


def test_a_route_cannot_stand_twice():
    with pytest.raises(ValueError, match="twice"):
        AccessTable([Route("GET", "/a/{x}", Permission.READ), Route("GET", "/a/{y}", Permission.PLAN)])


@pytest.mark.parametrize("route", TABLE.routes, ids=lambda route: f"{route.method} {route.pattern}")
@pytest.mark.parametrize("role", Role)
def test_a_role_passes_exactly_where_its_permissions_lead(route: Route, role: Role):
    holds = not isinstance(route.needs, Permission) or route.needs in ROLE_PERMISSIONS[role]
    try:
        authorise(route, caller(role))
        passed = True
    except NotAllowed:
        passed = False
    assert passed is holds


def test_no_route_that_changes_anything_is_open_to_a_viewer():
    own = {
        "/api/v1/users/{username}/password",
        "/api/v1/users/{username}/second-factor",
        "/api/v1/users/{username}/second-factor/confirm",
        "/api/v1/users/{username}/second-factor/recovery-codes",
        "/api/v1/users/{username}/sessions",
        "/api/v1/users/{username}/sessions/{session_id}",
        "/api/v1/jobs/{job_id}/cancel",
    }
    reachable = {
        route.pattern
        for route in TABLE.routes
        if route.method != "GET" and route.needs in {Permission.READ, Entry.SIGNED_IN}
    }
    assert {path for path in reachable if not path.startswith(("/api/v1/api-keys", "/api/v1/auth"))} == own


def test_only_watching_and_predicting_go_on_without_redis():
    going_on = {route.needs for route in TABLE.routes if route.without_redis}
    assert going_on == {Permission.READ, Permission.PREDICT, Permission.SCORE}
    assert not any(route.without_redis for route in TABLE.routes if route.service is Service.GATEWAY)


def test_a_path_that_takes_get_takes_head():
    assert methods_of(TABLE.find(("api", "v1", "jobs"))) == ("GET", "HEAD")
    assert methods_of(TABLE.find(("api", "v1", "twin", "predict"))) == ("POST",)
