"""`futago audit` and the client's calls behind it."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner, Result

from futago import Client, ConnectionFailed, NotAllowed, cli
from futago.audit_calls import AuditQuery
from futago.commands import audit
from services.gateway.adapters.audit_seal_keys import SealKey
from services.gateway.adapters.export_syslog import message_of
from services.gateway.domain.audit import Entry, Event, Head, append
from services.gateway.domain.audit_lines import line_of
from services.gateway.domain.audit_seals import SealKind, event_of
from tests.unit.futago.fake_gateway import FakeGateway, gives, problem
from tests.unit.gateway.fakes import NOW, SOURCE

PART = {"intact": None, "entries": 5, "first_bad_sequence": None, "reason": None, "cut_up_to": 0, "signed_up_to": 3}
BROKEN = PART | {"intact": False, "first_bad_sequence": 6, "reason": "the entry was changed", "next_cursor": None}
KEY = SealKey(ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.fixture
def suite() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def client(suite: FakeGateway) -> Client:
    return Client("http://suite", api_key="fk_good", transport=suite.transport())


def futago(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["audit", *arguments], env={"FUTAGO_HOME": "/nowhere", "FUTAGO_URL": None})


def test_a_long_trail_is_verified_part_by_part(suite: FakeGateway, client: Client):
    suite.answer("GET", "/api/v1/audit/verify", gives(PART | {"next_cursor": "c1"}), gives(BROKEN))
    state = client.verify_audit()
    assert (state.intact, state.first_bad_sequence, state.entries) == (False, 6, 5)
    assert [dict(request.url.params) for request in suite.requests] == [{}, {"cursor": "c1"}]


def test_a_search_names_what_is_wanted_and_nothing_else(suite: FakeGateway, client: Client):
    suite.answer("GET", "/api/v1/audit", gives({"items": [{"sequence": 2}], "next_cursor": None}))
    assert client.audit(AuditQuery(action="auth.*", success=False), limit=10) == [{"sequence": 2}]
    assert dict(suite.requests[0].url.params) == {"action": "auth.*", "success": "false", "limit": "10"}


def test_a_download_that_breaks_off_is_an_error(suite: FakeGateway, client: Client):
    class Broken(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b'{"sequence":1}\n'
            raise httpx.RemoteProtocolError("peer closed connection")

    suite.answer("GET", "/api/v1/audit/export", lambda _: httpx.Response(200, stream=Broken()))
    lines = client.audit_lines()
    assert next(lines) == '{"sequence":1}'
    with pytest.raises(ConnectionFailed):
        next(lines)
    suite.answer("GET", "/api/v1/audit/export", lambda _: problem(403, "gateway.not_allowed", "no"))
    with pytest.raises(NotAllowed):
        next(client.audit_lines())


def test_the_commands_show_write_and_judge(suite: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        audit, "connect", lambda *_: Client("http://suite", api_key="fk_good", transport=suite.transport())
    )
    entry = {"at": "2026-04-01T00:00:00Z", "user": "ann", "action": "GET /x", "resource": "/x", "address": "192.0.2.1"}
    suite.answer("GET", "/api/v1/audit", gives({"items": [entry | {"success": False}], "next_cursor": None}))
    assert futago("search", "--failed").stdout == "2026-04-01T00:00:00Z  ann  GET /x  /x  failed  192.0.2.1\n"
    suite.answer("GET", "/api/v1/audit/export", lambda _: httpx.Response(200, text='{"a":1}\n{"a":2}\n'))
    out = tmp_path / "trail.jsonl"
    assert "2 entries" in futago("export", "--out", str(out)).stdout
    assert (out.read_text(), out.stat().st_mode & 0o777) == ('{"a":1}\n{"a":2}\n', 0o600)
    suite.answer("GET", "/api/v1/audit/verify", gives(BROKEN))
    judged = futago("verify")
    assert (judged.exit_code, "BROKEN at entry 6" in judged.stdout) == (1, True)
    suite.answer("GET", "/api/v1/audit/verify", gives(PART | {"intact": True, "next_cursor": None}))
    judged = futago("verify", "--json")
    assert (judged.exit_code, json.loads(judged.stdout)["signed_up_to"]) == (0, 3)


def trail(users: str) -> list[Entry]:
    """One entry for each user's letter, and a checkpoint behind them."""
    chain = append(Head(), [Event(NOW, user, "GET /x", "/x", success=True, source=SOURCE) for user in users])
    head = Head(chain[-1].sequence, chain[-1].digest)
    return chain + append(head, [event_of(KEY.seal(SealKind.CHECKPOINT, head, NOW))])


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "audit.pub.pem"
    path.write_bytes(KEY.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return str(path)


def write(path: Path, entries: list[Entry]) -> str:
    path.write_text("".join(f"{line_of(entry)}\n" for entry in entries))
    return str(path)


def test_what_a_stranger_typed_makes_no_line_of_its_own_and_does_nothing_to_the_terminal(
    suite: FakeGateway, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        audit, "connect", lambda *_: Client("http://suite", api_key="fk_good", transport=suite.transport())
    )
    typed = "é\n2026-11-22T09:00:00Z  admin\x1b[2K\r\u202e"
    entry = {"at": "t", "user": typed, "action": "auth.login", "resource": typed, "success": False, "address": "::1"}
    suite.answer("GET", "/api/v1/audit", gives({"items": [entry], "next_cursor": None}))
    told = r"é\n2026-11-22T09:00:00Z  admin\x1b[2K\r\u202e"
    assert futago("search").stdout == f"t  {told}  auth.login  {told}  failed  ::1\n"


def test_an_export_is_verified_with_a_public_key_alone(tmp_path: Path, key: str):
    whole = write(tmp_path / "whole.jsonl", trail("abc"))
    assert futago("verify", "--trail", whole, "--key", key).stdout == "Intact: 4 entries, signed up to 3.\n"
    twice = write(tmp_path / "twice.jsonl", [*trail("abc")[:2], *trail("abc")])
    assert futago("verify", "--trail", twice, "--key", key).exit_code == 0
    syslog = tmp_path / "audit.log"
    syslog.write_bytes(b"\n".join(message_of(entry, "host") for entry in trail("abc")))
    assert futago("verify", "--trail", str(syslog), "--key", key).exit_code == 0
    for name, entries in (
        ("hole", trail("abc")[:1] + trail("abc")[2:]),
        ("other", trail("abc")[:2] + trail("xyz")[2:]),
    ):
        assert futago("verify", "--trail", write(tmp_path / name, entries), "--key", key).exit_code == 1


def test_a_rewritten_trail_does_not_fit_the_checkpoints_that_were_exported(tmp_path: Path, key: str):
    exported = write(tmp_path / "exported.jsonl", trail("abc"))
    unsigned = write(tmp_path / "unsigned.jsonl", trail("abx")[:3])
    assert futago("verify", "--trail", unsigned, "--key", key).exit_code == 0
    judged = futago("verify", "--trail", unsigned, "--checkpoint", exported, "--key", key)
    assert (judged.exit_code, "known outside" in judged.stdout) == (1, True)


def test_what_cannot_be_read_is_told(tmp_path: Path, key: str):
    nonsense = tmp_path / "nonsense"
    nonsense.write_text('{"sequence": 1}\n')
    for arguments in (
        ("--trail", str(nonsense), "--key", key),
        ("--trail", str(tmp_path / "none"), "--key", key),
        ("--offline", "--key", str(nonsense)),
    ):
        result = futago("verify", *arguments)
        assert result.exit_code == 1
        assert type(result.exception).__name__ in {"TrailUnreadable", "InvalidInput", "DatabaseUnusable"}
