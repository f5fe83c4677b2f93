"""What the gateway refuses, and why; the words are for the caller."""

from typing import ClassVar

from shared.errors import AppError, Fault, Kind


class CredentialsMissing(AppError):
    """The call needs a token or an API key and carries none."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "gateway.credentials_missing"

    def __init__(self) -> None:
        super().__init__("send a bearer token, or an API key as X-API-Key")


class CredentialsAmbiguous(AppError):
    """More than one credential: choosing one for the caller would let a proxy and this door disagree."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "gateway.credentials_ambiguous"

    def __init__(self) -> None:
        super().__init__("send one bearer token or one API key, not several")


class TokenRejected(AppError):
    """The access token was revoked, or belongs to a user who was changed, disabled or deleted since."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "gateway.token_rejected"

    def __init__(self) -> None:
        super().__init__("this token is no longer valid: log in again")


class WrongCredentials(AppError):
    """User or password is wrong; which of them is nobody's business."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "gateway.wrong_credentials"

    def __init__(self) -> None:
        super().__init__("wrong user name or password")


class RefreshRejected(AppError):
    """The refresh token is unknown, spent, expired or revoked."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "gateway.refresh_rejected"

    def __init__(self) -> None:
        super().__init__("this refresh token cannot be used: log in again")


class SessionMissing(AppError):
    """The user has no such session, or it has ended."""

    kind: ClassVar[Kind] = Kind.MISSING
    code: ClassVar[str] = "gateway.session_missing"

    def __init__(self, session_id: str) -> None:
        super().__init__("there is no such session", id=session_id)


class FreshLoginRequired(AppError):
    """The session is not the doing of somebody who proved who they are just now."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    code: ClassVar[str] = "auth.fresh_login_required"

    def __init__(self, within_s: int) -> None:
        super().__init__("log in again, and do this in the new session", login_within_s=within_s)


class PasswordFormOff(AppError):
    """The password form of OAuth 2 is not offered here (RFC 9700, section 2.4)."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    code: ClassVar[str] = "auth.password_form_off"

    def __init__(self) -> None:
        super().__init__("the password form of OAuth 2 is switched off here: log in at /api/v1/auth/login")


class NotEntitled(AppError):
    """An identity provider vouches for the caller, but what it says about them opens nothing here."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    code: ClassVar[str] = "gateway.not_entitled"

    def __init__(self, lacks: str) -> None:
        super().__init__(f"your identity provider gives you {lacks} here: ask whoever administers it", lacks=lacks)


class IdentityDisabled(AppError):
    """An administrator refuses this identity, whatever its provider says."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "gateway.identity_disabled"

    def __init__(self) -> None:
        super().__init__("this identity is disabled here")


class IdentityMissing(AppError):
    """There is no external identity of this id."""

    kind: ClassVar[Kind] = Kind.MISSING
    code: ClassVar[str] = "gateway.identity_missing"

    def __init__(self, identity_id: str) -> None:
        super().__init__("there is no such identity", id=identity_id)


class IdentityProviderAway(AppError):
    """The keys of the token's issuer are not known, as it does not answer."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "gateway.identity_provider_away"

    def __init__(self, provider: str, retry_after_s: float) -> None:
        super().__init__("the identity provider does not answer", retry_after_s=retry_after_s, provider=provider)


class NotAllowed(AppError):
    """The caller is known and may not do this."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    code: ClassVar[str] = "gateway.not_allowed"

    def __init__(self, needs: str) -> None:
        super().__init__(f"this needs the permission {needs!r}", needs=needs)


class AddressNotAllowed(AppError):
    """The credential counts, but not from where the request came."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    code: ClassVar[str] = "gateway.address_not_allowed"

    def __init__(self) -> None:
        super().__init__("this credential may not be used from this address")


class BeyondOwnRights(AppError):
    """The caller would hand out a permission, an asset, a network or time that it does not have."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    code: ClassVar[str] = "gateway.beyond_own_rights"

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__("nobody hands out more than they hold: permissions, assets, networks, time", missing=missing)


class PathUnknown(AppError):
    """Nothing is served here; what is not in the table of routes is not forwarded."""

    kind: ClassVar[Kind] = Kind.MISSING
    code: ClassVar[str] = "gateway.path_unknown"

    def __init__(self) -> None:
        super().__init__("there is nothing at this path")


class TooManyRequests(AppError):
    """The caller's allowance is used up for now."""

    kind: ClassVar[Kind] = Kind.RATE_LIMITED
    code: ClassVar[str] = "gateway.too_many_requests"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("too many requests: slow down", retry_after_s=retry_after_s)


class TooManyStreams(AppError):
    """The caller follows what happens over as many connections as one may, or this process over all it has."""

    kind: ClassVar[Kind] = Kind.RATE_LIMITED
    code: ClassVar[str] = "gateway.too_many_streams"

    def __init__(self, most: int) -> None:
        super().__init__("too many event streams are open: close one", retry_after_s=5.0, most=most)


class TooManyAttempts(AppError):
    """Too many attempts to log in as this user from this address, or from this address at all."""

    kind: ClassVar[Kind] = Kind.RATE_LIMITED
    code: ClassVar[str] = "gateway.too_many_attempts"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("too many attempts to log in: wait", retry_after_s=retry_after_s)


class RedisAway(AppError):
    """Redis does not answer, and this call cannot be answered safely without it."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "gateway.redis_away"

    def __init__(self) -> None:
        super().__init__("a part of the system is away: try again", retry_after_s=1.0)


class HasherBusy(AppError):
    """More people are logging in at once than passwords can be checked in time."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "gateway.hasher_busy"

    def __init__(self) -> None:
        super().__init__("many people are logging in: try again", retry_after_s=2.0)


class PasswordRefused(AppError):
    """The new password breaks the policy; every broken rule is listed."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "gateway.password_refused"

    def __init__(self, reasons: tuple[str, ...], pointer: str) -> None:
        super().__init__("this password is not allowed", faults=[Fault(pointer, reason) for reason in reasons])


class InvalidQuery(AppError):
    """A query parameter cannot be read."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "gateway.invalid_query"

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(f"{parameter}: {detail}", faults=[Fault("", detail, {"parameter": parameter})])


class ChangedMeanwhile(AppError):
    """Somebody else changed the same thing between reading and writing it."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "gateway.changed_meanwhile"

    def __init__(self) -> None:
        super().__init__("somebody else changed this at the same time: look again, then retry")


class UserMissing(AppError):
    """No user of this name."""

    kind: ClassVar[Kind] = Kind.MISSING
    code: ClassVar[str] = "gateway.user_missing"

    def __init__(self, username: str) -> None:
        super().__init__("there is no such user", username=username)


class UserExists(AppError):
    """The name is taken; names of deleted users stay taken, so that the audit trail keeps its meaning."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "gateway.user_exists"

    def __init__(self, username: str) -> None:
        super().__init__("this user name is taken", username=username)


class LastAdmin(AppError):
    """The change would leave nobody able to administer the system."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "gateway.last_admin"

    def __init__(self) -> None:
        super().__init__("this is the last active administrator who is not limited to assets")


class AuditTrailBroken(AppError):
    """Somebody wrote into the audit trail: nothing can be added, so nothing that must be recorded may happen."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "gateway.audit_trail_broken"

    def __init__(self) -> None:
        super().__init__("the audit trail cannot be continued: verify it", retry_after_s=60.0)


class AlertMissing(AppError):
    """No alert of this id."""

    kind: ClassVar[Kind] = Kind.MISSING
    code: ClassVar[str] = "gateway.alert_missing"

    def __init__(self, alert_id: str) -> None:
        super().__init__("there is no such alert", id=alert_id)


class UpstreamAway(AppError):
    """The service behind this path cannot be reached, or gave up before it answered."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "gateway.upstream_away"

    def __init__(self, service: str, retry_after_s: float = 1.0) -> None:
        super().__init__(f"the {service} service does not answer", retry_after_s=retry_after_s, service=service)


class UpstreamBroken(AppError):
    """The service was asked and broke off, or said what it must not: whether it did the work is not known."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "gateway.upstream_broken"

    def __init__(self, service: str) -> None:
        super().__init__(f"the {service} service broke off before it answered", retry_after_s=1.0, service=service)


class UpstreamSlow(AppError):
    """The service behind this path took longer than a caller should wait."""

    kind: ClassVar[Kind] = Kind.DEADLINE
    code: ClassVar[str] = "gateway.upstream_slow"

    def __init__(self, service: str) -> None:
        super().__init__(f"the {service} service did not answer in time", retry_after_s=1.0, service=service)
