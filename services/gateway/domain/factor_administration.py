"""Enrolling, renewing and removing second factors."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial

from services.gateway.domain.audit import Action, Event, Source
from services.gateway.domain.credentials import UserReader, Verified, user_stamp
from services.gateway.domain.delegation import check_holds_all_of, unchanged
from services.gateway.domain.errors import NotAllowed, WrongCredentials
from services.gateway.domain.factor_errors import OnlyOneself, SecondFactorEnrolled, SecondFactorMissing
from services.gateway.domain.proofs import LoginThrottle, Prover
from services.gateway.domain.second_factor import (
    ENROLMENT_LIFE,
    SECRET_BYTES,
    AppCodes,
    Factor,
    FactorStore,
    Seals,
    new_recovery_codes,
    recovery_digest,
)
from services.gateway.domain.sessions import AuditTrail, Entropy, Floors
from services.gateway.domain.users import User
from shared.clock import Clock
from shared.principal import Permission


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app needs; shown once.

    Parameters
    ----------
    secret
        To be typed in.
    uri
        The same as `otpauth://…`, for a picture that the app reads.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)


class FactorAdministration:
    """What users do to their own second factors, and administrators to those of others."""

    def __init__(
        self,
        *,
        users: UserReader,
        factors: FactorStore,
        prover: Prover,
        throttle: LoginThrottle,
        apps: AppCodes,
        seals: Seals,
        floors: Floors,
        audit: AuditTrail,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._users = users
        self._factors = factors
        self._prover = prover
        self._throttle = throttle
        self._apps = apps
        self._seals = seals
        self._floors = floors
        self._audit = audit
        self._clock = clock
        self._entropy = entropy

    async def begin(self, caller: Verified, username: str, password: str, source: Source) -> Enrolment:
        """Make a secret, which counts once it is confirmed; one that waits for that is replaced.

        Raises
        ------
        OnlyOneself
            If the caller is somebody else.
        WrongCredentials
            If the password is wrong.
        SecondFactorEnrolled
            If there is a second factor already.
        """
        user = await self._oneself(caller, username)
        await self._prove_password(user, password, Action.SECOND_FACTOR_BEGUN, source)
        secret = self._entropy(SECRET_BYTES)
        factor = Factor(username, self._seals.seal(secret, username), self._clock.now())
        async with self._act(username, Action.SECOND_FACTOR_BEGUN, username, source):
            await self._factors.begin(factor)
        return Enrolment(self._apps.shown(secret), self._apps.uri(secret, username))

    async def confirm(self, caller: Verified, username: str, code: str, source: Source) -> tuple[str, ...]:
        """Make the secret count, as its app has shown that it has it.

        Access tokens end, and all sessions but the caller's: that one goes on with its next refresh.

        Returns
        -------
        Ten recovery codes, which are shown this once.

        Raises
        ------
        OnlyOneself
            If the caller is somebody else.
        SecondFactorMissing
            If the enrolment was not begun, or too long ago.
        SecondFactorEnrolled
            If it was confirmed before.
        WrongCredentials
            If the code is wrong.
        """
        user = await self._oneself(caller, username)
        await self._floors.require_reachable()
        factor = await self._factors.get(username)
        if factor.confirmed_at is not None:
            raise SecondFactorEnrolled
        if self._clock.now() > factor.begun_at + ENROLMENT_LIFE:
            raise SecondFactorMissing
        try:
            step = await self._prover.step_of(factor, code, source.address)
        except WrongCredentials:
            await self._refused(username, Action.SECOND_FACTOR_ENROLLED, source)
            raise
        codes, digests = self._new_codes()
        async with self._act(username, Action.SECOND_FACTOR_ENROLLED, username, source):
            changed = await self._factors.confirm(
                factor, step=step, digests=digests, now=self._clock.now(), kept_session=caller.session_id
            )
        await self._floors.raise_to(user_stamp(username, changed.generation))
        await self._throttle.forgive(user.username, source.address)
        return codes

    async def renew_codes(self, caller: Verified, username: str, code: str, source: Source) -> tuple[str, ...]:
        """Make new recovery codes; the old ones end.

        Raises
        ------
        OnlyOneself
            If the caller is somebody else.
        SecondFactorMissing
            If there is no second factor.
        WrongCredentials
            If the code is wrong.
        """
        user = await self._oneself(caller, username)
        if not user.second_factor:
            raise SecondFactorMissing
        await self._prove_code(user, code, Action.RECOVERY_CODES_RENEWED, source)
        codes, digests = self._new_codes()
        async with self._act(username, Action.RECOVERY_CODES_RENEWED, username, source):
            await self._factors.replace_recovery_codes(username, digests)
        return codes

    async def remove(
        self, caller: Verified, username: str, password: str | None, code: str | None, source: Source
    ) -> None:
        """Remove a second factor and its recovery codes.

        A user proves both factors first, and keeps the session; an administrator may remove somebody else's, which
        ends all of that user's sessions.

        Raises
        ------
        NotAllowed
            If the caller is neither this user nor an administrator.
        BeyondOwnRights
            If it is somebody else's, and that user may do more than the caller.
        SecondFactorMissing
            If there is none.
        WrongCredentials
            If the user's own password or code is wrong or missing.
        ChangedMeanwhile
            If the user was changed after they were proved.
        """
        principal = caller.principal
        own = principal.subject == username
        if not own and not principal.may(Permission.MANAGE_USERS):
            raise NotAllowed(Permission.MANAGE_USERS.value)
        await self._floors.require_reachable()
        user = await self._users.get(username)
        check = unchanged(user) if own else partial(check_holds_all_of, principal)
        check(user)
        if own and user.second_factor:
            await self._prove_password(user, password, Action.SECOND_FACTOR_REMOVED, source)
            await self._prove_code(user, code, Action.SECOND_FACTOR_REMOVED, source)
        async with self._act(principal.subject, Action.SECOND_FACTOR_REMOVED, username, source):
            changed = await self._factors.remove(
                username, now=self._clock.now(), kept_session=caller.session_id if own else None, check=check
            )
        await self._floors.raise_to(user_stamp(username, changed.generation))

    async def _oneself(self, caller: Verified, username: str) -> User:
        if caller.principal.subject != username:
            raise OnlyOneself
        return await self._users.get(username)

    async def _prove_password(self, user: User, password: str | None, action: Action, source: Source) -> None:
        try:
            await self._prover.check_password(user, password, source.address)
        except WrongCredentials:
            await self._refused(user.username, action, source)
            raise

    async def _prove_code(self, user: User, code: str | None, action: Action, source: Source) -> None:
        try:
            await self._prover.check_code(user, code, source.address)
        except WrongCredentials:
            await self._refused(user.username, action, source)
            raise
        await self._throttle.forgive(user.username, source.address)

    def _new_codes(self) -> tuple[tuple[str, ...], tuple[bytes, ...]]:
        codes = new_recovery_codes(self._entropy)
        return codes, tuple(digest for code in codes if (digest := recovery_digest(code)) is not None)

    def _act(self, user: str, action: Action, resource: str, source: Source) -> AbstractAsyncContextManager[None]:
        return self._audit.together(Event(self._clock.now(), user, action.value, resource, success=True, source=source))

    async def _refused(self, username: str, action: Action, source: Source) -> None:
        event = Event(self._clock.now(), username, action.value, username, success=False, source=source)
        await self._audit.record(event)
