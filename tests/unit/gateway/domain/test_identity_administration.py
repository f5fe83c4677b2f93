"""Refusing somebody whom an identity provider vouches for."""

from dataclasses import replace

import pytest

from services.gateway.domain.errors import IdentityMissing, RedisAway
from services.gateway.domain.external_identity import ExternalIdentity
from services.gateway.domain.identity_administration import IdentityAdministration
from services.gateway.domain.pages import Page
from shared.principal import Principal, Role
from tests.unit.gateway.fakes import NOW, SOURCE, FakeAudit, FakeClock, FakeRedis

ROOT = Principal("root", Role.ADMIN, frozenset())
ANN = ExternalIdentity("i1", "corporate", "ann", "Ann", Role.VIEWER, True, 1, NOW, NOW)


class FakeIdentities:
    """Redis goes away as soon as something was changed."""

    def __init__(self, redis: FakeRedis) -> None:
        self.redis = redis
        self.rows = {ANN.identity_id: ANN}

    async def page(self, *, limit: int, cursor: str | None) -> Page[ExternalIdentity]:
        raise NotImplementedError

    async def get(self, identity_id: str) -> ExternalIdentity:
        if identity_id not in self.rows:
            raise IdentityMissing(identity_id)
        return self.rows[identity_id]

    async def set_active(self, identity_id: str, *, active: bool) -> ExternalIdentity:
        row = self.rows[identity_id]
        self.rows[identity_id] = replace(row, active=active, generation=row.generation + 1)
        self.redis.away = True
        return self.rows[identity_id]


async def test_a_change_is_in_the_trail_even_where_the_others_could_not_be_told():
    redis, audit = FakeRedis(), FakeAudit()
    desk = IdentityAdministration(identities=FakeIdentities(redis), floors=redis, audit=audit, clock=FakeClock())
    with pytest.raises(RedisAway):
        await desk.set_active(ROOT, "i1", SOURCE, active=False)
    assert audit.said() == [("root", "identity.changed", "corporate:ann", True)]


async def test_of_nobody_nothing_is_told():
    redis, audit = FakeRedis(), FakeAudit()
    desk = IdentityAdministration(identities=FakeIdentities(redis), floors=redis, audit=audit, clock=FakeClock())
    with pytest.raises(IdentityMissing):
        await desk.set_active(ROOT, "nobody", SOURCE, active=False)
    assert audit.said() == []
