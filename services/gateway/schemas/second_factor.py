"""Second factors."""

from typing import Self

from pydantic import BaseModel, Field, SecretStr

from services.gateway.domain.factor_administration import Enrolment
from services.gateway.schemas.fields import MAX_TEXT, Body


class OwnPassword(Body):
    """The caller's own password, which proves that it is not only their session."""

    password: SecretStr = Field(max_length=MAX_TEXT)


class Code(Body):
    """A code of the second factor."""

    code: SecretStr = Field(max_length=MAX_TEXT, description="from the authenticator app, or a recovery code")


class Proofs(Body):
    """Both factors; only one's own are asked for."""

    password: SecretStr | None = Field(None, max_length=MAX_TEXT)
    code: SecretStr | None = Field(
        None, max_length=MAX_TEXT, description="from the authenticator app, or a recovery code"
    )


class EnrolmentResponse(BaseModel):
    """What an authenticator app needs; shown once."""

    secret: str = Field(description="to be typed into an authenticator app (base32; SHA-1, six digits, 30 s)")
    uri: str = Field(description="the same as `otpauth://…`, to be shown to the app as a QR code")

    @classmethod
    def of(cls, enrolment: Enrolment) -> Self:
        """Write an enrolment for the wire."""
        return cls(secret=enrolment.secret, uri=enrolment.uri)


class RecoveryCodes(BaseModel):
    """Codes that stand in for the app, each good for one use; shown once."""

    recovery_codes: list[str]
