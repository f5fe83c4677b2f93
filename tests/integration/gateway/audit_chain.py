"""An audit chain with a key of its own, and what somebody does to it who owns the database."""

from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, Engine, text
from sqlalchemy.sql.base import Executable

from services.gateway.adapters.audit_checkpoints import Checkpoints
from services.gateway.adapters.audit_rows import read_slice
from services.gateway.adapters.audit_seal_keys import SealKey, SealKeys
from services.gateway.adapters.sql_audit_book import SqlAuditBook
from services.gateway.adapters.tables import audit_entries
from services.gateway.domain.audit import Event, Source
from services.gateway.domain.audit_verification import Verification
from shared.database import write
from shared.principal import Role
from tests.unit.gateway.fakes import NOW, FakeClock, principal

KEY = SealKey(ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
JUDGE = SealKeys([KEY.public_key])
ROOT = principal("root", Role.ADMIN)


def event(number: int, user: str = "ann", days: float = 0) -> Event:
    source = Source("192.0.2.1", f"r{number}")
    return Event(NOW + timedelta(days=days), user, "GET /x", f"/x/{number}", success=True, source=source)


def verify(engine: Engine, known: dict[int, str] | None = None) -> Verification:
    return SqlAuditBook(engine, JUDGE).verify_now(known or {}).found


def checkpoints(engine: Engine, clock: FakeClock, every_entries: int = 3) -> Checkpoints:
    return Checkpoints(engine, KEY, JUDGE, clock, CollectorRegistry(), every_entries=every_entries)


def entries(engine: Engine) -> list[tuple[int, str]]:
    with engine.connect() as connection:
        return [(entry.sequence, entry.event.action) for entry in read_slice(connection, 0, 10_000, 10_000)]


def unguard(connection: Connection) -> None:
    """What somebody who owns the database does first."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL session_replication_role = replica"))
    else:
        for (name,) in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            connection.execute(text(f"DROP TRIGGER {name}"))


def tamper(engine: Engine, *statements: Executable) -> None:
    with write(engine) as connection:
        unguard(connection)
        for statement in statements:
            connection.execute(statement)


def row(sequence: int) -> Executable:
    return audit_entries.c.sequence == sequence
