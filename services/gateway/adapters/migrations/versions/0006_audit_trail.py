"""What the audit trail needs to be written once, exported and cut; and triggers that keep it from being changed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

# What must not happen to a row, by table: entries go only below the sealed cut, and the two marks only move forward.
_FORBIDDEN = (
    ("audit_entries", "UPDATE", "TRUE"),
    ("audit_entries", "DELETE", "OLD.sequence > COALESCE((SELECT MAX(sequence) FROM audit_start), 0)"),
    ("audit_head", "UPDATE", "NEW.sequence <= OLD.sequence"),
    ("audit_head", "DELETE", "TRUE"),
    ("audit_start", "UPDATE", "NEW.sequence <= OLD.sequence"),
    ("audit_start", "DELETE", "TRUE"),
)
_TABLES = ("audit_entries", "audit_head", "audit_start")


def upgrade() -> None:
    op.create_table(
        "audit_start",
        sa.Column("chain", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
    )
    op.create_table(
        "audit_batches",
        sa.Column("batch_id", sa.String(32), primary_key=True),
        sa.Column("written_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_audit_batches_written_at_ms", "audit_batches", ["written_at_ms"])
    op.create_table(
        "audit_exports",
        sa.Column("destination", sa.String(255), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("held_until_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_audit_entries_address", "audit_entries", ["address", "sequence"])
    op.create_index("ix_audit_entries_request_id", "audit_entries", ["request_id", "sequence"])
    failed = sa.text("NOT success")
    op.create_index(
        "ix_audit_entries_failed", "audit_entries", ["sequence"], sqlite_where=failed, postgresql_where=failed
    )
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table, verb, _ in _FORBIDDEN:
        op.execute(f"DROP TRIGGER {_name(table, verb)}" + ("" if sqlite else f" ON {table}"))
    if not sqlite:
        for table in _TABLES:
            op.execute(f"DROP TRIGGER {_name(table, 'TRUNCATE')} ON {table}")
        op.execute("DROP FUNCTION audit_refuse()")
    for name in ("failed", "request_id", "address"):
        op.drop_index(f"ix_audit_entries_{name}", "audit_entries")
    for table in ("audit_exports", "audit_batches", "audit_start"):
        op.drop_table(table)


def _name(table: str, verb: str) -> str:
    return f"{table}_no_{verb.lower()}"


def _guard_sqlite() -> None:
    for table, verb, condition in _FORBIDDEN:
        op.execute(
            f"CREATE TRIGGER {_name(table, verb)} BEFORE {verb} ON {table} WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
        )


def _guard_postgresql() -> None:
    # A condition of a trigger may not ask another table there: the function asks.
    op.execute(
        """
        CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_TABLE_NAME = 'audit_entries' AND TG_OP = 'DELETE' THEN
                IF OLD.sequence <= COALESCE((SELECT MAX(sequence) FROM audit_start), 0) THEN
                    RETURN OLD;
                END IF;
            END IF;
            RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """
    )
    for table, verb, condition in _FORBIDDEN:
        when = "" if "SELECT" in condition else f"WHEN ({condition}) "
        op.execute(
            f"CREATE TRIGGER {_name(table, verb)} BEFORE {verb} ON {table} FOR EACH ROW {when}"
            "EXECUTE FUNCTION audit_refuse()"
        )
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER {_name(table, 'TRUNCATE')} BEFORE TRUNCATE ON {table} EXECUTE FUNCTION audit_refuse()"
        )
