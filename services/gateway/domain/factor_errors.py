"""What is refused for the sake of second factors."""

from typing import ClassVar

from shared.errors import AppError, Kind


class SecondFactorRequired(AppError):
    """The password is right, and a code is needed as well."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "auth.second_factor_required"

    def __init__(self) -> None:
        super().__init__("this user needs a second factor: send `code`, from the authenticator app or a recovery code")


class EnrolmentRequired(AppError):
    """The caller's role needs a second factor, and there is none yet."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    code: ClassVar[str] = "auth.second_factor_enrolment_required"

    def __init__(self) -> None:
        super().__init__("this role needs a second factor: enrol one first, then refresh the session")


class PasswordChangeRequired(AppError):
    """The password was given to the user, or only good enough beside a second factor, which is gone."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    code: ClassVar[str] = "auth.password_change_required"

    def __init__(self) -> None:
        super().__init__("set another password first: this one was given to you, or is too short to stand alone")


class OnlyOneself(AppError):
    """Nobody else may do this for a user, administrators included."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    code: ClassVar[str] = "auth.only_oneself"

    def __init__(self) -> None:
        super().__init__("only this user themselves may do that")


class SecondFactorEnrolled(AppError):
    """There is a second factor already; it has to be removed before another takes its place."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "auth.second_factor_enrolled"

    def __init__(self) -> None:
        super().__init__("there is a second factor already: remove it first")


class SecondFactorMissing(AppError):
    """There is no second factor, or its enrolment was not begun, or too long ago."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "auth.second_factor_missing"

    def __init__(self) -> None:
        super().__init__("there is no second factor to do that with: begin its enrolment")


class SecondFactorUnreadable(AppError):
    """The stored secret was encrypted with another key; recovery codes still work, and it can be removed."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "auth.second_factor_unreadable"

    def __init__(self) -> None:
        super().__init__("this second factor cannot be read: use a recovery code, or ask an administrator to remove it")
