"""Codes as authenticator apps compute them, by `pyotp`: SHA-1, six digits, 30 s, as every app can (RFC 6238)."""

import base64
from datetime import datetime

from pyotp import TOTP
from pyotp.exceptions import OTPVerificationError

_ISSUER = "Futago"
# One step to either side: clocks of telephones are a little off (RFC 6238, section 5.2).
_WINDOW_STEPS = 1


class AuthenticatorApps:
    """Implements `second_factor.AppCodes`."""

    def shown(self, secret: bytes) -> str:
        return base64.b32encode(secret).decode("ascii")

    def uri(self, secret: bytes, username: str) -> str:
        return self._totp(secret).provisioning_uri(name=username, issuer_name=_ISSUER)

    def step_of(self, code: str, secret: bytes, now: datetime) -> int | None:
        try:
            return self._totp(secret).verify_and_get_timecode(code, for_time=now, valid_window=_WINDOW_STEPS)
        except OTPVerificationError:
            return None

    def _totp(self, secret: bytes) -> TOTP:
        return TOTP(self.shown(secret))
