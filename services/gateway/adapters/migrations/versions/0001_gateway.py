"""Users, keys, sessions, the audit chain and the list of alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("username", sa.String(64), primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("assets", sa.JSON, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("password_changed_at_ms", sa.BigInteger, nullable=False),
        sa.Column("deleted_at_ms", sa.BigInteger),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("owner", sa.String(64), sa.ForeignKey("users.username"), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("former_digest", sa.LargeBinary(32)),
        sa.Column("former_until_ms", sa.BigInteger),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("assets", sa.JSON, nullable=False),
        sa.Column("active", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.Column("last_used_at_ms", sa.BigInteger),
    )
    op.create_index("ix_api_keys_owner", "api_keys", ["owner", "key_id"])
    op.create_table(
        "refresh_families",
        sa.Column("family_id", sa.String(32), primary_key=True),
        sa.Column("username", sa.String(64), sa.ForeignKey("users.username"), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("ends_at_ms", sa.BigInteger, nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger),
    )
    op.create_index("ix_refresh_families_username", "refresh_families", ["username"])
    op.create_index("ix_refresh_families_ends_at_ms", "refresh_families", ["ends_at_ms"])
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column(
            "family_id", sa.String(32), sa.ForeignKey("refresh_families.family_id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.Column("spent_at_ms", sa.BigInteger),
    )
    op.create_index("ix_refresh_tokens_family_id", "refresh_tokens", ["family_id"])
    op.create_table(
        "audit_entries",
        sa.Column(
            "sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False
        ),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("success", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_index("ix_audit_entries_username", "audit_entries", ["username", "sequence"])
    op.create_index("ix_audit_entries_action", "audit_entries", ["action", "sequence"])
    op.create_index("ix_audit_entries_at_ms", "audit_entries", ["at_ms"])
    op.create_table(
        "audit_head",
        sa.Column("chain", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.String(100), primary_key=True),
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("asset", sa.Text),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("dedup_key", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("occurrences", sa.Integer, nullable=False),
        sa.Column("occurred_at_ms", sa.BigInteger, nullable=False),
        sa.Column("last_occurred_at_ms", sa.BigInteger, nullable=False),
        sa.Column("last_alert_id", sa.String(100), nullable=False),
        sa.Column("acknowledged_by", sa.String(64)),
        sa.Column("acknowledged_at_ms", sa.BigInteger),
    )
    op.create_index("ix_alerts_dedup_key", "alerts", ["dedup_key", "state"])
    op.create_index("ix_alerts_occurred_at_ms", "alerts", ["occurred_at_ms", "alert_id"])
