"""Second factors of users."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import SecretStr

from services.gateway.domain.errors import (
    BeyondOwnRights,
    ChangedMeanwhile,
    HasherBusy,
    NotAllowed,
    RedisAway,
    TooManyAttempts,
    UserMissing,
    WrongCredentials,
)
from services.gateway.domain.factor_administration import FactorAdministration
from services.gateway.domain.factor_errors import (
    OnlyOneself,
    SecondFactorEnrolled,
    SecondFactorMissing,
    SecondFactorUnreadable,
)
from services.gateway.routes.callers import Origin, VerifiedCaller
from services.gateway.schemas.second_factor import Code, EnrolmentResponse, OwnPassword, Proofs, RecoveryCodes
from shared.http.dependencies import use
from shared.http.problems import responses

router = APIRouter(prefix="/api/v1/users/{username}/second-factor", tags=["users"])

Factors = Annotated[FactorAdministration, use(FactorAdministration)]

_PROOFS = (WrongCredentials, TooManyAttempts, RedisAway, UserMissing)


@router.post("", responses=responses(*_PROOFS, OnlyOneself, SecondFactorEnrolled, HasherBusy))
async def begin(
    username: str,
    body: OwnPassword,
    factors: Factors,
    caller: VerifiedCaller,
    origin: Origin,
) -> EnrolmentResponse:
    """Begin to enrol one's own second factor; it counts once it is confirmed, within 15 minutes."""
    return EnrolmentResponse.of(await factors.begin(caller, username, body.password.get_secret_value(), origin))


@router.post(
    "/confirm",
    responses=responses(*_PROOFS, OnlyOneself, SecondFactorEnrolled, SecondFactorMissing, SecondFactorUnreadable),
)
async def confirm(
    username: str,
    body: Code,
    factors: Factors,
    caller: VerifiedCaller,
    origin: Origin,
) -> RecoveryCodes:
    """Confirm one's own second factor with a code of the app; one's own session goes on with a refresh, others end."""
    codes = await factors.confirm(caller, username, body.code.get_secret_value(), origin)
    return RecoveryCodes(recovery_codes=list(codes))


@router.post("/recovery-codes", responses=responses(*_PROOFS, OnlyOneself, SecondFactorMissing, SecondFactorUnreadable))
async def renew_codes(
    username: str,
    body: Code,
    factors: Factors,
    caller: VerifiedCaller,
    origin: Origin,
) -> RecoveryCodes:
    """Make new recovery codes for oneself; the old ones end."""
    codes = await factors.renew_codes(caller, username, body.code.get_secret_value(), origin)
    return RecoveryCodes(recovery_codes=list(codes))


@router.delete(
    "",
    status_code=204,
    responses=responses(
        *_PROOFS,
        NotAllowed,
        BeyondOwnRights,
        SecondFactorMissing,
        SecondFactorUnreadable,
        HasherBusy,
        ChangedMeanwhile,
    ),
)
async def remove(
    username: str,
    factors: Factors,
    caller: VerifiedCaller,
    origin: Origin,
    body: Proofs | None = None,
) -> None:
    """Remove a second factor: one's own with password and code, as an administrator somebody else's."""
    proofs = body or Proofs()
    await factors.remove(caller, username, _text(proofs.password), _text(proofs.code), origin)


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
