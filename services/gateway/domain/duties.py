"""What a user has to do before anything else, and what is open to them until then."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum

from services.gateway.domain.access import Route
from services.gateway.domain.factor_errors import EnrolmentRequired, PasswordChangeRequired
from services.gateway.domain.users import User
from shared.principal import Permission, Principal, Role

_OPEN = frozenset(
    {
        ("GET", "/api/v1/auth/me"),
        ("POST", "/api/v1/auth/logout"),
        ("POST", "/api/v1/users/{username}/password"),
        ("POST", "/api/v1/users/{username}/second-factor"),
        ("POST", "/api/v1/users/{username}/second-factor/confirm"),
    }
)
# What reaches beyond the caller's own doing: a key alone must not stand in for the second factor of its owner.
_ADMINISTRATION = frozenset({Permission.MANAGE_USERS, Permission.MANAGE_KEYS, Permission.READ_AUDIT})


class Duty(StrEnum):
    """What has to be done first."""

    ENROL_SECOND_FACTOR = "enrol_second_factor"
    CHANGE_PASSWORD = "change_password"  # noqa: S105  a name, not a secret


@dataclass(frozen=True, slots=True)
class DutyRules:
    """What a plant asks of its users.

    Parameters
    ----------
    second_factor_roles
        Roles whose users need a second factor.
    change_given_passwords
        A password that was given to a user serves only to set another (OWASP ASVS 5, 6.4.1).
    """

    second_factor_roles: AbstractSet[Role] = frozenset()
    change_given_passwords: bool = False


def duty_of(user: User, rules: DutyRules) -> Duty | None:
    """What a user has to do before anything else."""
    if not user.second_factor and user.role in rules.second_factor_roles:
        return Duty.ENROL_SECOND_FACTOR
    given = user.given_password and rules.change_given_passwords
    short = user.short_password and not user.second_factor
    return Duty.CHANGE_PASSWORD if given or short else None


def in_session(principal: Principal, duty: Duty | None) -> Principal:
    """The caller as it may act in a session: with a duty, without any permission."""
    return principal if duty is None else replace(principal, permissions=frozenset())


def by_key(principal: Principal, duty: Duty | None) -> Principal:
    """The caller as it may act by an API key.

    A machine cannot enrol, and must not stop because its owner has not yet: it goes on, but administers nothing.
    """
    if duty is not Duty.ENROL_SECOND_FACTOR:
        return principal
    return replace(principal, permissions=principal.permissions - _ADMINISTRATION)


def check_duty(duty: Duty | None, route: Route) -> None:
    """Refuse a caller with a duty every route but those by which it is done.

    Raises
    ------
    EnrolmentRequired
        If it is to enrol a second factor.
    PasswordChangeRequired
        If it is to change its password.
    """
    if duty is None or (route.method, route.pattern) in _OPEN:
        return
    raise EnrolmentRequired if duty is Duty.ENROL_SECOND_FACTOR else PasswordChangeRequired
