"""What a user has to do before anything else."""

import pytest

from services.gateway.domain.access import Route
from services.gateway.domain.duties import Duty, DutyRules, by_key, check_duty, duty_of, in_session
from services.gateway.domain.factor_errors import EnrolmentRequired, PasswordChangeRequired
from services.gateway.domain.routes_table import suite_routes
from shared.principal import Permission, Role
from tests.unit.gateway.fakes import principal, user

ADMINS = DutyRules(second_factor_roles=frozenset({Role.ADMIN}))
GIVEN = DutyRules(change_given_passwords=True)
ROUTES = suite_routes().routes
DUTIFUL = {
    "GET /api/v1/auth/me",
    "POST /api/v1/auth/logout",
    "POST /api/v1/users/{username}/password",
    "POST /api/v1/users/{username}/second-factor",
    "POST /api/v1/users/{username}/second-factor/confirm",
}


@pytest.mark.parametrize(
    ("role", "factor", "short", "duty"),
    [
        (Role.ADMIN, False, False, Duty.ENROL_SECOND_FACTOR),
        (Role.ADMIN, False, True, Duty.ENROL_SECOND_FACTOR),
        (Role.ADMIN, True, True, None),
        (Role.ENGINEER, False, False, None),
        (Role.ENGINEER, False, True, Duty.CHANGE_PASSWORD),
        (Role.ENGINEER, True, True, None),
    ],
)
def test_a_duty_follows_from_role_factor_and_password(role: Role, factor: bool, short: bool, duty: Duty | None):
    assert duty_of(user(role=role, second_factor=factor, short_password=short), ADMINS) is duty


def test_without_the_setting_nobody_has_to_enrol():
    assert duty_of(user(role=Role.ADMIN), DutyRules()) is None


@pytest.mark.parametrize("factor", [False, True])
def test_a_password_that_was_given_serves_to_set_another_where_that_is_asked_for(*, factor: bool):
    given = user(given_password=True, second_factor=factor)
    assert duty_of(given, GIVEN) is Duty.CHANGE_PASSWORD
    assert duty_of(given, DutyRules()) is None
    assert duty_of(user(second_factor=factor), GIVEN) is None


@pytest.mark.parametrize(
    ("duty", "error"), [(Duty.ENROL_SECOND_FACTOR, EnrolmentRequired), (Duty.CHANGE_PASSWORD, PasswordChangeRequired)]
)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")
def test_until_then_only_what_serves_the_duty_is_open(route: Route, duty: Duty, error: type[Exception]):
    check_duty(None, route)
    if f"{route.method} {route.pattern}" in DUTIFUL:
        check_duty(duty, route)
    else:
        with pytest.raises(error):
            check_duty(duty, route)


def test_every_route_that_serves_a_duty_exists():
    assert {f"{route.method} {route.pattern}" for route in ROUTES} >= DUTIFUL


def test_in_a_session_a_duty_takes_every_permission():
    assert in_session(principal(role=Role.ADMIN), Duty.ENROL_SECOND_FACTOR).permissions == frozenset()
    assert in_session(principal(role=Role.ADMIN), None).permissions == frozenset(Permission)


def test_a_machine_goes_on_while_its_owner_has_not_enrolled_but_administers_nothing():
    taken = {Permission.MANAGE_USERS, Permission.MANAGE_KEYS, Permission.READ_AUDIT}
    whole = principal(role=Role.ADMIN, method="api_key")
    assert by_key(whole, Duty.ENROL_SECOND_FACTOR).permissions == frozenset(Permission) - taken
    assert by_key(whole, Duty.CHANGE_PASSWORD) == by_key(whole, None) == whole
