"""The audit chain in a real database: written by many, guarded, signed, cut, and read back after somebody was at it."""

import multiprocessing
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.base import Executable

from services.gateway.adapters.audit_retention import AuditRetention
from services.gateway.adapters.audit_rows import read_slice
from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.adapters.sql_audit_book import SqlAuditBook
from services.gateway.adapters.sql_exports import SqlExports
from services.gateway.adapters.sql_refresh import SqlRefresh
from services.gateway.adapters.sql_users import SqlUsers
from services.gateway.adapters.tables import audit_entries, audit_head, audit_start, migrate_gateway
from services.gateway.domain.audit import Event, Head, Source, append
from services.gateway.domain.audit_batches import Batch
from services.gateway.domain.audit_search import AuditFilter, AuditSearch
from services.gateway.domain.audit_verification import Verification
from services.gateway.domain.errors import AuditTrailBroken, UserExists, UserMissing
from services.gateway.domain.refresh import Family, RefreshToken, Verdict
from shared.database import open_engine
from tests.integration.gateway.audit_chain import JUDGE, KEY, ROOT, checkpoints, entries, event, row, tamper, verify
from tests.unit.gateway.fakes import NOW, SOURCE, FakeClock, user

PROCESSES, APPENDS = 3, 25


def append_many(url: str, process: int) -> None:
    engine = open_engine(url)
    audit = SqlAudit(engine)
    for number in range(APPENDS):
        pair = (event(number, f"process-{process}"), event(number, f"process-{process}"))
        audit.append(pair)
        # What a killed writer had taken from the stream comes to several others.
        audit.append_batches([Batch(f"batch-{number}", pair)], NOW)
    engine.dispose()


def test_processes_that_append_at_once_share_one_unbroken_chain_and_write_each_batch_once(database_url: str):
    migrate_gateway(database_url)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=append_many, args=(database_url, number)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    engine = open_engine(database_url)
    verification = verify(engine)
    engine.dispose()
    assert (verification.intact, verification.entries) == (True, 2 * PROCESSES * APPENDS + 2 * APPENDS)


def put_behind(sequence: int) -> Executable:
    columns = [(column + 1) if column.name == "sequence" else column for column in audit_entries.columns]
    names = [column.name for column in audit_entries.columns]
    return insert(audit_entries).from_select(names, select(*columns).where(row(sequence)))


TAMPERINGS: dict[str, tuple[Callable[[], Sequence[Executable]], int]] = {
    "a changed word": (lambda: [update(audit_entries).where(row(3)).values(username="eve")], 3),
    "a failure called success": (lambda: [update(audit_entries).where(row(4)).values(success=False)], 4),
    "an entry taken out": (lambda: [delete(audit_entries).where(row(2))], 2),
    "the first taken out": (lambda: [delete(audit_entries).where(row(1))], 1),
    "the newest taken out": (lambda: [delete(audit_entries).where(row(6))], 6),
    "the head moved back": (lambda: [update(audit_head).values(sequence=5)], 6),
    "the head exchanged": (lambda: [update(audit_head).values(digest="f" * 64)], 7),
    "two entries exchanged": (
        lambda: [
            update(audit_entries).where(row(source)).values(sequence=target)
            for source, target in ((2, 100), (4, 2), (100, 4))
        ],
        2,
    ),
    "an entry put behind": (lambda: [put_behind(6)], 7),
    "the beginning cut without the key": (
        lambda: [
            delete(audit_entries).where(audit_entries.c.sequence <= 2),
            insert(audit_start).from_select(
                ["chain", "sequence", "digest", "at_ms", "key_id", "signature"],
                select(1, 2, audit_entries.c.digest, 0, text("'ours'"), text("''")).where(row(3)),
            ),
        ],
        3,
    ),
    "all of it taken away": (lambda: [delete(audit_entries)], 1),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_at_the_entry_it_touched(engine: Engine, name: str):
    SqlAudit(engine).append([event(number) for number in range(6)])
    assert verify(engine).intact
    statements, sequence = TAMPERINGS[name]
    tamper(engine, *statements())
    found = verify(engine)
    assert (found.intact, found.first_bad_sequence) == (False, sequence)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET username = 'eve' WHERE sequence = 3",
        "DELETE FROM audit_entries WHERE sequence = 3",
        "UPDATE audit_head SET sequence = 5",
        "DELETE FROM audit_head",
    ],
)
def test_the_database_itself_refuses_to_change_what_was_written(engine: Engine, statement: str):
    SqlAudit(engine).append([event(number) for number in range(6)])
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    assert verify(engine).entries == 6


def test_an_entry_written_from_outside_stops_the_trail_and_is_told(engine: Engine):
    audit = SqlAudit(engine)
    audit.append([event(number) for number in range(6)])
    tamper(engine, put_behind(6))
    with pytest.raises(AuditTrailBroken):
        audit.append([event(7)])


def test_a_chain_rewritten_from_the_first_entry_is_found_with_what_was_exported(engine: Engine):
    audit, watch = SqlAudit(engine), checkpoints(engine, FakeClock())
    audit.append([event(number) for number in range(6)])
    assert watch.look()
    assert entries(engine)[-1] == (7, "audit.checkpoint")
    assert verify(engine) == Verification(intact=True, entries=7, signed_up_to=6)
    with engine.connect() as connection:
        exported = {entry.sequence: entry.digest for entry in read_slice(connection, 0, 7, 7)}
    forged = append(Head(), [event(number, "eve") for number in range(7)])
    rewritten = [
        update(audit_entries)
        .where(row(entry.sequence))
        .values(
            username="eve",
            action="GET /x",
            resource=entry.event.resource,
            address="192.0.2.1",
            request_id=entry.event.source.request_id,
            at_ms=int(NOW.timestamp() * 1000),
            facts={},
            digest=entry.digest,
        )
        for entry in forged
    ]
    tamper(engine, *rewritten, update(audit_head).values(digest=forged[-1].digest))
    found = verify(engine)
    assert (found.intact, found.signed_up_to) == (True, 0)
    assert verify(engine, exported).first_bad_sequence == 1
    # The process that knew the chain does not sign it again.
    assert not watch.look()
    audit.append([event(number) for number in range(6)])
    assert not watch.look()
    assert verify(engine).signed_up_to == 0


def test_an_older_copy_of_the_database_is_noticed_by_a_process_that_knew_more(engine: Engine):
    audit, watch = SqlAudit(engine), checkpoints(engine, FakeClock(), every_entries=100)
    audit.append([event(number) for number in range(6)])
    assert watch.look()
    with engine.connect() as connection:
        older = read_slice(connection, 0, 4, 4)[-1]
    tamper(
        engine,
        delete(audit_entries).where(audit_entries.c.sequence > 4),
        update(audit_head).values(sequence=4, digest=older.digest),
    )
    assert verify(engine).intact
    assert not watch.look()


def test_a_checkpoint_is_written_after_some_entries_or_some_time_and_never_for_its_own_sake(engine: Engine):
    audit, clock = SqlAudit(engine), FakeClock()
    watch = checkpoints(engine, clock, every_entries=100)
    audit.append([event(1), event(2)])
    assert watch.look()
    assert len(entries(engine)) == 2
    clock.advance(seconds=301)
    assert watch.look()
    assert entries(engine)[-1] == (3, "audit.checkpoint")
    clock.advance(seconds=301)
    assert watch.look()
    assert watch.look()
    assert len(entries(engine)) == 3
    # A process that starts reads on from there.
    audit.append([event(number) for number in range(101)])
    assert checkpoints(engine, clock, every_entries=100).look()
    assert verify(engine) == Verification(intact=True, entries=105, signed_up_to=104)


def retention(engine: Engine, clock: FakeClock, destinations: tuple[str, ...] = ()) -> AuditRetention:
    return AuditRetention(engine, KEY, JUDGE, clock, destinations=destinations)


def test_what_is_too_old_is_cut_from_the_beginning_and_the_rest_verifies(engine: Engine):
    audit, clock = SqlAudit(engine), FakeClock()
    audit.append([event(number, days=number) for number in range(6)])
    assert retention(engine, clock).remove(NOW + timedelta(days=2)) == 2
    assert entries(engine) == [*((number, "GET /x") for number in (3, 4, 5, 6)), (7, "audit.cut")]
    assert verify(engine) == Verification(intact=True, entries=5, cut_up_to=2)
    assert retention(engine, clock).remove(NOW + timedelta(days=2)) == 0
    assert retention(engine, clock).remove(NOW + timedelta(days=3)) == 1
    assert checkpoints(engine, clock).look()
    assert verify(engine) == Verification(intact=True, entries=6, cut_up_to=3, signed_up_to=8)
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text("DELETE FROM audit_entries WHERE sequence = 4"))
    tamper(engine, delete(audit_entries).where(row(4)))
    assert verify(engine).first_bad_sequence == 4


def test_what_was_not_exported_or_was_tampered_with_is_not_cut(engine: Engine):
    audit, exports, clock = SqlAudit(engine), SqlExports(engine), FakeClock()
    audit.append([event(number) for number in range(6)])
    cutter = retention(engine, clock, ("siem", "file"))
    later = NOW + timedelta(days=1)
    assert cutter.remove(later) == 0
    for name, sequence in (("siem", 2), ("file", 5)):
        assert exports.hold(name, "me", NOW)
        exports.move(name, "me", sequence)
    assert cutter.remove(later) == 2
    tamper(engine, update(audit_entries).where(row(4)).values(username="eve"))
    exports.move("siem", "me", 6)
    assert cutter.remove(later) == 0


async def test_pages_stand_still_while_entries_are_added_and_filters_find_what_they_name(engine: Engine):
    audit, book = SqlAudit(engine), AuditSearch(SqlAuditBook(engine, JUDGE))
    audit.append([event(number, "ann" if number % 2 else "bob") for number in range(6)])
    audit.append([Event(NOW, "eve", "auth.login", "eve", False, Source("198.51.100.9", "l1"))])
    first = await book.page(ROOT, AuditFilter(), limit=3, cursor=None)
    audit.append([event(9)])
    second = await book.page(ROOT, AuditFilter(), limit=3, cursor=first.next_cursor)
    assert [entry.sequence for entry in first.items + second.items] == [7, 6, 5, 4, 3, 2]
    for wanted, sequences in (
        (AuditFilter(user="bob"), [5, 3, 1]),
        (AuditFilter(action="auth.*"), [7]),
        (AuditFilter(action="auth."), []),
        (AuditFilter(action="AUTH.*"), []),
        (AuditFilter(action="%*"), []),
        (AuditFilter(success=False), [7]),
        (AuditFilter(success=True, user="eve"), []),
        (AuditFilter(address="198.51.100.9"), [7]),
        (AuditFilter(request_id="r9"), [8]),
        (AuditFilter(since=NOW + timedelta(seconds=1)), []),
    ):
        page = await book.page(ROOT, wanted, limit=50, cursor=None)
        assert [entry.sequence for entry in page.items] == sequences, wanted
    downloaded = [entry.sequence async for entry in book.everything(ROOT, AuditFilter(user="ann"))]
    assert downloaded == [2, 4, 6, 8]


async def test_a_long_trail_is_verified_in_parts_that_add_up(engine: Engine):
    SqlAudit(engine).append([event(number) for number in range(1200)])
    book = AuditSearch(SqlAuditBook(engine, JUDGE, verify_s=0))
    parts = [await book.verify(None)]
    while parts[-1].next_cursor is not None:
        parts.append(await book.verify(parts[-1].next_cursor))
    assert [part.found.entries for part in parts] == [500, 1000, 1200]
    tamper(engine, update(audit_entries).where(row(700)).values(username="eve"))
    assert (await book.verify(parts[0].next_cursor)).found.first_bad_sequence == 700
    assert (await book.verify(parts[0].next_cursor)).next_cursor is None


async def test_an_act_and_its_entry_happen_together_or_not_at_all(engine: Engine):
    users, audit = SqlUsers(engine), SqlAudit(engine)
    act = Event(NOW, "root", "user.created", "olga", success=True, source=SOURCE)
    async with audit.together(act):
        await users.add(user("olga"))
    assert entries(engine) == [(1, "user.created")]
    with pytest.raises(UserExists):
        async with audit.together(act):
            await users.add(user("olga"))
    assert len(entries(engine)) == 1
    tamper(engine, put_behind(1))
    with pytest.raises(AuditTrailBroken):
        async with audit.together(act):
            await users.add(user("nina"))
    with pytest.raises(UserMissing):
        await users.get("nina")


async def test_an_act_outside_the_database_is_recorded_when_it_is_done(engine: Engine):
    users, audit = SqlUsers(engine), SqlAudit(engine)
    act = Event(NOW, "root", "job.cancelled", "j1", success=True, source=SOURCE)
    async with audit.together(act):
        with pytest.raises(UserMissing):
            await users.get("olga")
    assert entries(engine) == [(1, "job.cancelled")]
    # What the task does afterwards is another matter.
    await users.add(user("olga"))
    assert len(entries(engine)) == 1


async def test_a_refresh_token_that_was_used_before_ends_its_session_with_an_entry_or_not_at_all(engine: Engine):
    await SqlUsers(engine).add(user("olga"))
    refresh, ends = SqlRefresh(engine), NOW + timedelta(days=1)
    await refresh.open(Family("f", "olga", NOW, ends, None), RefreshToken(b"1" * 32, "f", ends, None), generation=1)

    async def use(token: bytes, successor: bytes) -> Verdict:
        def tell(verdict: Verdict, family: Family) -> Event:
            return Event(NOW, family.username, f"refresh.{verdict}", family.family_id, success=True, source=SOURCE)

        verdict, _ = await refresh.rotate(token, successor, now=NOW, idle=timedelta(hours=1), tell=tell)
        return verdict

    assert await use(b"1" * 32, b"2" * 32) is Verdict.ROTATE
    tamper(engine, put_behind(1))
    for token in (b"1" * 32, b"2" * 32):
        with pytest.raises(AuditTrailBroken):
            await use(token, b"3" * 32)
    tamper(engine, delete(audit_entries).where(row(2)))
    assert (await refresh.family("f")).revoked_at is None
    assert await use(b"2" * 32, b"3" * 32) is Verdict.ROTATE
    assert await use(b"1" * 32, b"4" * 32) is Verdict.REVOKE_FAMILY
    assert (await refresh.family("f")).revoked_at == NOW
    told = ["refresh.rotate", "refresh.rotate", "refresh.revoke_family"]
    assert [action for _, action in entries(engine)] == told
