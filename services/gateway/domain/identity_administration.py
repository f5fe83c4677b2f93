"""Refusing somebody whom an identity provider vouches for, and letting them in again."""

from typing import Protocol

from services.gateway.domain.audit import Action, Event, Source
from services.gateway.domain.delegation import check_reaches
from services.gateway.domain.external_callers import identity_stamp
from services.gateway.domain.external_identity import ExternalIdentity
from services.gateway.domain.pages import Page
from services.gateway.domain.sessions import AuditTrail, Floors
from shared.clock import Clock
from shared.principal import Principal

# Only its provider's tokens tell what an identity reaches: here it is taken to reach everything.
_ANY_ASSETS: tuple[str, ...] = ()


class IdentityStore(Protocol):
    """Keeps external identities; each method is one transaction."""

    async def page(self, *, limit: int, cursor: str | None) -> Page[ExternalIdentity]:
        """Identities by id."""
        ...

    async def get(self, identity_id: str) -> ExternalIdentity:
        """Raise `IdentityMissing` if there is none."""
        ...

    async def set_active(self, identity_id: str, *, active: bool) -> ExternalIdentity:
        """Set it and raise the generation; raise `IdentityMissing` if there is none."""
        ...


class IdentityAdministration:
    """What an administrator does to people who log in elsewhere."""

    def __init__(self, *, identities: IdentityStore, floors: Floors, audit: AuditTrail, clock: Clock) -> None:
        self._identities = identities
        self._floors = floors
        self._audit = audit
        self._clock = clock

    async def page(self, caller: Principal, *, limit: int, cursor: str | None) -> Page[ExternalIdentity]:
        """List those who were here.

        Raises
        ------
        BeyondOwnRights
            If the caller is limited to assets: which ones an identity reaches is said anew by each of its tokens.
        """
        check_reaches(caller, _ANY_ASSETS)
        return await self._identities.page(limit=limit, cursor=cursor)

    async def set_active(
        self, caller: Principal, identity_id: str, source: Source, *, active: bool
    ) -> ExternalIdentity:
        """Refuse an identity, or let it in again; what was verified before is verified anew.

        Raises
        ------
        BeyondOwnRights
            As for `page`.
        IdentityMissing
            If there is none of this id.
        RedisAway
            If the other replicas could not be told.
        """
        check_reaches(caller, _ANY_ASSETS)
        await self._floors.require_reachable()
        known = await self._identities.get(identity_id)
        event = Event(
            self._clock.now(),
            caller.subject,
            Action.IDENTITY_CHANGED.value,
            f"{known.provider}:{known.subject}",
            success=True,
            source=source,
            facts={"active": active, "identity": identity_id},
        )
        async with self._audit.together(event):
            identity = await self._identities.set_active(identity_id, active=active)
        await self._floors.raise_to(identity_stamp(identity))
        return identity
