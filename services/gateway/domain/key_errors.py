"""What is refused for the sake of API keys."""

from collections.abc import Mapping
from typing import ClassVar

from shared.errors import AppError, Fault, Kind


class ApiKeyInvalid(AppError):
    """No such API key: mistyped, made up, or deleted."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "gateway.api_key_invalid"

    def __init__(self) -> None:
        super().__init__("this is not a valid API key")


class ApiKeyDeactivated(AppError):
    """The key, or its owner, was switched off."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "gateway.api_key_deactivated"

    def __init__(self) -> None:
        super().__init__("this API key is deactivated")


class ApiKeyExpired(AppError):
    """The key's time is over."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "gateway.api_key_expired"

    def __init__(self) -> None:
        super().__init__("this API key has expired")


class ApiKeyMissing(AppError):
    """There is no API key of this id that the caller may manage."""

    kind: ClassVar[Kind] = Kind.MISSING
    code: ClassVar[str] = "gateway.api_key_missing"

    def __init__(self, key_id: str) -> None:
        super().__init__("there is no such API key", id=key_id)


class ScopesTooWide(AppError):
    """An API key may do no more than its owner."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "gateway.scopes_too_wide"

    def __init__(self, excess: tuple[str, ...]) -> None:
        faults = [Fault("/scopes", f"the owner's role does not include {scope!r}") for scope in excess]
        super().__init__("an API key may do no more than its owner", faults=faults)


class AssetsOutOfReach(AppError):
    """None of the subtrees asked for is the owner's, or the caller's."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "gateway.assets_out_of_reach"

    def __init__(self) -> None:
        detail = "these assets are out of reach of the key's owner, or of the caller"
        super().__init__("this key could reach nothing", faults=[Fault("/assets", detail)])


class TooManyKeys(AppError):
    """The owner has as many API keys as one may make without managing keys."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "gateway.too_many_keys"

    def __init__(self, most: int) -> None:
        super().__init__(f"this user has {most} API keys: delete one, or ask somebody who manages keys", most=most)


class LimitTooHigh(AppError):
    """An own allowance larger than the one all callers have, asked for by somebody who does not manage keys."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "gateway.limit_too_high"

    def __init__(self, most: Mapping[str, int]) -> None:
        faults = [Fault(f"/limit/{name}", f"at most {value}") for name, value in most.items()]
        super().__init__("only those who manage keys give one more than every caller has", faults=faults)


class ExternalCaller(AppError):
    """The caller is vouched for by an identity provider and has no account here that could own this."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    code: ClassVar[str] = "gateway.external_caller"

    def __init__(self) -> None:
        super().__init__("an identity provider vouches for you: API keys belong to accounts of this system")


class InvalidExpiry(AppError):
    """The expiry lies in the past, or further away than keys may live."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "gateway.invalid_expiry"

    def __init__(self, detail: str) -> None:
        super().__init__("this expiry is not allowed", faults=[Fault("/expires_at", detail)])
