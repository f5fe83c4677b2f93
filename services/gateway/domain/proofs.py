"""Proving who one is: the password, and the second factor beside it, each slowed against guessing.

A login asks for both; so does, within a session, what would let a thief of that session change how its owner logs in.
"""

from typing import Protocol

from services.gateway.domain.errors import WrongCredentials
from services.gateway.domain.factor_errors import SecondFactorMissing
from services.gateway.domain.passwords import is_checkable
from services.gateway.domain.second_factor import (
    AppCodes,
    Factor,
    FactorStore,
    Seals,
    app_code,
    is_app_code,
    recovery_digest,
)
from services.gateway.domain.users import User
from shared.clock import Clock


class PasswordHasher(Protocol):
    """Slow on purpose, and off the event loop."""

    async def verify(self, password: str, password_hash: str) -> bool:
        """Whether the password belongs to the hash."""
        ...

    async def verify_nobody(self) -> None:
        """Take as long as `verify` for a user who does not exist."""
        ...


class HashMaker(PasswordHasher, Protocol):
    """Also makes hashes."""

    async def hash(self, password: str) -> str:
        """Hash a new password."""
        ...

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than are in use now."""
        ...


class LoginThrottle(Protocol):
    """Counts attempts to prove who one is."""

    async def admit(self, username: str, address: str) -> None:
        """Count an attempt with a password, or raise `TooManyAttempts`."""
        ...

    async def admit_code(self, username: str, address: str) -> None:
        """Count an attempt with a code, or raise `TooManyAttempts`."""
        ...

    async def forgive(self, username: str, address: str) -> None:
        """Forget the attempts as this user from this address: the last one was right."""
        ...

    async def remember(self, username: str, address: str) -> None:
        """Know the address as one from which this user logs in."""
        ...


class Prover:
    """Checks passwords and codes of users that exist."""

    def __init__(
        self,
        *,
        hasher: PasswordHasher,
        throttle: LoginThrottle,
        factors: FactorStore,
        seals: Seals,
        apps: AppCodes,
        clock: Clock,
    ) -> None:
        self._hasher = hasher
        self._throttle = throttle
        self._factors = factors
        self._seals = seals
        self._apps = apps
        self._clock = clock

    async def check_password(self, user: User, password: str | None, address: str) -> None:
        """Accept the password of somebody who is logged in.

        The same throttle as for logins: a stolen token must not become a way to guess the password.

        Raises
        ------
        WrongCredentials
            If it is wrong or missing.
        TooManyAttempts
            If there were too many.
        """
        await self._throttle.admit(user.username, address)
        right = (
            password is not None and is_checkable(password) and await self._hasher.verify(password, user.password_hash)
        )
        if not right:
            raise WrongCredentials

    async def check_code(self, user: User, code: str | None, address: str) -> bool:
        """Accept a code of a user's second factor, and spend it.

        Returns
        -------
        Whether it was a recovery code.

        Raises
        ------
        WrongCredentials
            If it is wrong, missing or was used before.
        TooManyAttempts
            If there were too many.
        """
        if code is None:
            raise WrongCredentials
        await self._throttle.admit_code(user.username, address)
        if is_app_code(code):
            if not await self._spend_step(user.username, code):
                raise WrongCredentials
            return False
        digest = recovery_digest(code)
        if digest is None or not await self._factors.use_recovery_code(user.username, digest):
            raise WrongCredentials
        return True

    async def step_of(self, factor: Factor, code: str, address: str) -> int:
        """The time step of a factor's first code, which shows that its app has the secret.

        Raises
        ------
        WrongCredentials
            If it is wrong.
        TooManyAttempts
            If there were too many.
        """
        await self._throttle.admit_code(factor.username, address)
        step = self._step(factor, code)
        if step is None:
            raise WrongCredentials
        return step

    async def _spend_step(self, username: str, code: str) -> bool:
        try:
            factor = await self._factors.get(username)
        except SecondFactorMissing:
            return False
        step = self._step(factor, code)
        return step is not None and await self._factors.use_step(username, step)

    def _step(self, factor: Factor, code: str) -> int | None:
        if not is_app_code(code):
            return None
        secret = self._seals.open(factor.sealed_secret, factor.username)
        return self._apps.step_of(app_code(code), secret, self._clock.now())
