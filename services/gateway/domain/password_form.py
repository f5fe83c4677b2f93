"""The password form of OAuth 2, which a plant may do without (OWASP ASVS 5, 10.4.4; RFC 9700, section 2.4)."""

from services.gateway.domain.audit import Source
from services.gateway.domain.errors import PasswordFormOff
from services.gateway.domain.sessions import Sessions, TokenPair


class PasswordForm:
    """Logs in as `Sessions` does, where it is offered at all."""

    def __init__(self, sessions: Sessions, *, offered: bool) -> None:
        self._sessions = sessions
        self._offered = offered

    async def login(self, username: str, password: str, source: Source, *, code: str | None) -> TokenPair:
        """Open a session; nothing is looked at where the form is not offered.

        Raises
        ------
        PasswordFormOff
            If it is not.
        AppError
            As `Sessions.login`.
        """
        if not self._offered:
            raise PasswordFormOff
        return await self._sessions.login(username, password, source, code=code)
