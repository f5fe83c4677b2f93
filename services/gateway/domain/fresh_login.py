"""What is done only in a session whose login is recent: a thief of an older one cannot do it.

A refresh is no login (OWASP ASVS 5, 7.5.1 and 7.5.2).
"""

from datetime import timedelta

from services.gateway.domain.credentials import FamilyReader, Verified
from services.gateway.domain.errors import FreshLoginRequired
from shared.clock import Clock


class FreshLogin:
    """Knows when sessions began.

    Parameters
    ----------
    within
        The longest time ago that a login may be; none asks for nothing.
    """

    def __init__(self, sessions: FamilyReader, clock: Clock, within: timedelta) -> None:
        self._sessions = sessions
        self._clock = clock
        self._within = within

    async def require(self, caller: Verified) -> None:
        """Return if the caller logged in recently, or has no session, as an API key or a provider's token.

        Raises
        ------
        FreshLoginRequired
            If the login of the caller's session is too long ago.
        """
        if caller.session_id is None or not self._within:
            return
        login = (await self._sessions.family(caller.session_id)).created_at
        if self._clock.now() - login > self._within:
            raise FreshLoginRequired(int(self._within.total_seconds()))
