"""The audit chain read back after somebody wrote into its tables what no part of it can hold."""

import json

import pytest
from sqlalchemy import Engine, literal_column, text, update

from services.gateway.adapters.audit_retention import AuditRetention
from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.adapters.sql_audit_book import SqlAuditBook
from services.gateway.adapters.tables import audit_entries
from services.gateway.domain.audit_lines import line_of
from services.gateway.domain.audit_search import AuditFilter, AuditSearch
from services.gateway.domain.errors import AuditTrailBroken
from services.gateway.schemas.records import AuditPage
from tests.integration.gateway.audit_chain import JUDGE, KEY, ROOT, checkpoints, event, row, tamper, verify
from tests.unit.gateway.fakes import NOW, FakeClock


@pytest.mark.parametrize(
    "written",
    [
        "facts = 'no json'",
        "facts = '[1]'",
        "facts = '{\"status\": NaN}'",
        "facts = x'ff00'",
        "at_ms = 'yesterday'",
        "at_ms = 9e30",
        "at_ms = 1.5",
        "username = x'ff00'",
        "digest = x'ff00'",
        # A text that is no UTF-8.
        "username = CAST(x'ff00' AS TEXT)",
        "facts = CAST(x'ff00' AS TEXT)",
        # True to Python, and to no filter of a search.
        "success = 2",
        "success = 'yes'",
    ],
)
async def test_what_no_entry_can_hold_is_found_as_tampering_and_hides_no_other_entry(
    sqlite_engine: Engine, written: str
):
    SqlAudit(sqlite_engine).append([event(number) for number in range(6)])
    tamper(sqlite_engine, text(f"UPDATE audit_entries SET {written} WHERE sequence = 3"))
    found = verify(sqlite_engine)
    assert (found.intact, found.first_bad_sequence) == (False, 3)
    assert not checkpoints(sqlite_engine, FakeClock()).look()
    page = await AuditSearch(SqlAuditBook(sqlite_engine, JUDGE)).page(ROOT, AuditFilter(), limit=10, cursor=None)
    assert [entry.event.action for entry in page.items] == ["GET /x"] * 3 + ["audit.unreadable"] + ["GET /x"] * 2


@pytest.mark.parametrize(
    "facts",
    [
        '{"status": 1e400}',
        '{"status": "\\ud800"}',
        '{"status": %s}' % ("9" * 5000),
        '{"a": %s}' % ("[" * 300 + "]" * 300),
    ],
    ids=["infinite", "half a pair", "without end", "deep"],
)
async def test_facts_that_could_not_be_written_out_again_hide_no_other_entry(engine: Engine, facts: str):
    SqlAudit(engine).append([event(number) for number in range(3)])
    # As it is written here: what the column itself takes is checked.
    tamper(engine, update(audit_entries).where(row(2)).values(facts=literal_column(f"'{facts}'")))
    assert verify(engine).first_bad_sequence == 2
    search = AuditSearch(SqlAuditBook(engine, JUDGE))
    shown = AuditPage.of(await search.page(ROOT, AuditFilter(), limit=10, cursor=None)).model_dump_json()
    lines = [line_of(entry) async for entry in search.everything(ROOT, AuditFilter())]
    actions = ["GET /x", "audit.unreadable", "GET /x"]
    assert [item["action"] for item in json.loads(shown)["items"]] == actions
    assert [json.loads(line)["action"] for line in lines] == actions


@pytest.mark.parametrize(
    "written", ["digest = CAST(x'ff' AS TEXT)", "digest = x'ff'", "sequence = 'x'", "sequence = 5.5"]
)
async def test_a_head_that_cannot_be_read_is_told_and_nothing_is_added_to_it(sqlite_engine: Engine, written: str):
    audit, watch = SqlAudit(sqlite_engine), checkpoints(sqlite_engine, FakeClock())
    audit.append([event(number) for number in range(6)])
    tamper(sqlite_engine, text(f"UPDATE audit_head SET {written}"))
    found = verify(sqlite_engine)
    assert (found.intact, found.first_bad_sequence) == (False, 7)
    assert not watch.look()
    with pytest.raises(AuditTrailBroken):
        audit.append([event(7)])
    search = AuditSearch(SqlAuditBook(sqlite_engine, JUDGE))
    assert len([entry async for entry in search.everything(ROOT, AuditFilter())]) == 6


@pytest.mark.parametrize(
    "written", ["digest = x'ff'", "at_ms = 'x'", "signature = CAST(x'ff' AS TEXT)", "sequence = 'x'"]
)
def test_a_beginning_that_cannot_be_read_counts_as_one_that_nobody_signed(sqlite_engine: Engine, written: str):
    clock = FakeClock()
    SqlAudit(sqlite_engine).append([event(number, days=number) for number in range(6)])
    assert AuditRetention(sqlite_engine, KEY, JUDGE, clock, destinations=()).remove(NOW) == 0
    assert AuditRetention(sqlite_engine, KEY, JUDGE, clock, destinations=()).remove(event(0, days=2).at) == 2
    tamper(sqlite_engine, text(f"UPDATE audit_start SET {written}"))
    found = verify(sqlite_engine)
    assert (found.intact, found.first_bad_sequence) == (False, 1)
    assert not checkpoints(sqlite_engine, clock).look()
    assert AuditRetention(sqlite_engine, KEY, JUDGE, clock, destinations=()).remove(event(0, days=4).at) == 0
