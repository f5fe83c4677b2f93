"""Transactions that lock several keys take them in one order: on PostgreSQL, two would end each other otherwise."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, text

from services.gateway.adapters.sql_keys import SqlKeys
from services.gateway.adapters.sql_users import SqlUsers
from services.gateway.adapters.tables import api_keys, migrate_gateway
from services.gateway.domain.api_keys import ApiKey
from shared.database import open_engine, write
from tests.unit.gateway.fakes import NOW, unchecked, user

LATER = NOW + timedelta(minutes=1)
# Bytewise the capitals come first; for most languages, and so for a database that sorts as they do, they do not.
IDS = ("a", "b", "C", "D")
KEY = ApiKey("", "line 4", "olga", b"", None, None, frozenset(), (), True, 1, NOW, NOW + timedelta(days=9), None)


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    migrate_gateway(postgres_url)
    engine = open_engine(postgres_url)
    with write(engine) as connection:
        connection.execute(text('ALTER TABLE api_keys ALTER COLUMN key_id TYPE VARCHAR(16) COLLATE "en-x-icu"'))
    yield engine
    engine.dispose()


async def until_waiting(engine: Engine, count: int) -> None:
    """Until so many transactions wait for what another has locked."""
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    deadline_s = asyncio.get_running_loop().time() + 10.0
    while True:
        with engine.connect() as connection:
            waiting = connection.execute(query).scalar_one()
        if waiting == count:
            return
        assert asyncio.get_running_loop().time() < deadline_s, waiting
        await asyncio.sleep(0.01)


ACTS: dict[str, tuple[Callable[[SqlUsers], Awaitable[object]], set[tuple[bool, bool]]]] = {
    "a new password that ends the keys": (
        lambda users: users.set_password("olga", "hash", NOW, check=unchecked, keys_too=True),
        {(False, True)},
    ),
    "a deletion": (lambda users: users.delete("olga", NOW, check=unchecked), set()),
}


@pytest.mark.parametrize(("act", "left"), ACTS.values(), ids=ACTS)
async def test_ending_all_keys_of_a_user_and_noting_their_uses_do_not_stop_each_other(
    engine: Engine, act: Callable[[SqlUsers], Awaitable[object]], left: set[tuple[bool, bool]]
):
    users, keys = SqlUsers(engine), SqlKeys(engine)
    await users.add(user())
    for key_id in IDS:
        await keys.add(replace(KEY, key_id=key_id), check=unchecked)

    # Whoever locks "a" first stops at "b", and whoever locks "C" first at "D": each then holds what the other wants.
    with write(engine) as connection:
        connection.execute(select(api_keys).where(api_keys.c.key_id.in_(("b", "D"))).with_for_update())
        acting = asyncio.ensure_future(act(users))
        await until_waiting(engine, 1)
        noting = asyncio.ensure_future(keys.note_uses(dict.fromkeys(IDS, LATER)))
        await until_waiting(engine, 2)
    await asyncio.gather(acting, noting)

    with engine.connect() as connection:
        rows = connection.execute(select(api_keys.c.active, api_keys.c.last_used_at_ms)).all()
    assert {(row.active, row.last_used_at_ms is not None) for row in rows} == left
