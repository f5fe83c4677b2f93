"""The gateway's tables. Times are whole milliseconds since 1970 [ms], so that both databases order and index them."""

from pathlib import Path

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

from services.gateway.adapters.stored_values import StoredFacts, StoredFlag
from shared.database import migrate

HISTORY = "gateway"
SCRIPTS = Path(__file__).parent / "migrations"

metadata = MetaData()

users = Table(
    "users",
    metadata,
    Column("username", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("active", Boolean(create_constraint=False), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("assets", JSON, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("password_changed_at_ms", BigInteger, nullable=False),
    # The row stays when its user is deleted: the name must not come back as somebody else's.
    Column("deleted_at_ms", BigInteger),
    Column("second_factor", Boolean(create_constraint=False), nullable=False, server_default=false()),
    # Shorter than a password may be that stands alone.
    Column("short_password", Boolean(create_constraint=False), nullable=False, server_default=false()),
    Column("last_login_at_ms", BigInteger),
    # Somebody else chose the password, or it was made up.
    Column("given_password", Boolean(create_constraint=False), nullable=False, server_default=false()),
)

second_factors = Table(
    "second_factors",
    metadata,
    Column("username", String(64), ForeignKey("users.username"), primary_key=True),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("begun_at_ms", BigInteger, nullable=False),
    # Empty until the user has shown a code of this secret.
    Column("confirmed_at_ms", BigInteger),
    # The newest time step whose code was used: neither it nor an earlier one counts again.
    Column("last_step", BigInteger),
)

# A code that was used is gone.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("username", String(64), ForeignKey("users.username"), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("owner", String(64), ForeignKey("users.username"), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("former_digest", LargeBinary(32)),
    Column("former_until_ms", BigInteger),
    Column("scopes", JSON, nullable=False),
    Column("assets", JSON, nullable=False),
    Column("networks", JSON, nullable=False, server_default="[]"),
    # The key's own allowance; both are empty where it has none.
    Column("requests_per_hour", BigInteger),
    Column("burst", BigInteger),
    Column("active", Boolean(create_constraint=False), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("last_used_at_ms", BigInteger),
    # The expiry that people were told of, so that they are told once.
    Column("warned_expiry_ms", BigInteger),
    Index("ix_api_keys_owner", "owner", "key_id"),
    Index("ix_api_keys_expires_at_ms", "expires_at_ms"),
)

external_identities = Table(
    "external_identities",
    metadata,
    # Made from provider and subject, so that two replicas that see somebody first agree on it.
    Column("identity_id", String(32), primary_key=True),
    Column("provider", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("display_name", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    Column("active", Boolean(create_constraint=False), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("first_seen_at_ms", BigInteger, nullable=False),
    Column("last_seen_at_ms", BigInteger, nullable=False),
)

refresh_families = Table(
    "refresh_families",
    metadata,
    Column("family_id", String(32), primary_key=True),
    Column("username", String(64), ForeignKey("users.username"), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("ends_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column("refreshed_at_ms", BigInteger),
    Column("address", Text, nullable=False, server_default=""),
    Column("user_agent", Text, nullable=False, server_default=""),
    Index("ix_refresh_families_username", "username"),
    Index("ix_refresh_families_ends_at_ms", "ends_at_ms"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("family_id", String(32), ForeignKey("refresh_families.family_id", ondelete="CASCADE"), nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("spent_at_ms", BigInteger),
    Index("ix_refresh_tokens_family_id", "family_id"),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    # `user` is a word of PostgreSQL's own.
    Column("username", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("success", StoredFlag(create_constraint=False), nullable=False),
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("facts", StoredFacts, nullable=False),
    Column("digest", String(64), nullable=False),
    Index("ix_audit_entries_username", "username", "sequence"),
    Index("ix_audit_entries_action", "action", "sequence"),
    Index("ix_audit_entries_at_ms", "at_ms"),
    Index("ix_audit_entries_address", "address", "sequence"),
    Index("ix_audit_entries_request_id", "request_id", "sequence"),
    # Failures are few, and what an auditor looks for first.
    Index(
        "ix_audit_entries_failed", "sequence", sqlite_where=text("NOT success"), postgresql_where=text("NOT success")
    ),
)

# One row: the newest entry's place, kept apart so that missing entries at the end show.
audit_head = Table(
    "audit_head",
    metadata,
    Column("chain", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
)

# One row, once the trail has been cut: the newest entry taken away, signed, so that the rest verifies from there on.
audit_start = Table(
    "audit_start",
    metadata,
    Column("chain", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("signature", Text, nullable=False),
)

# Batches of accesses that stand in the chain: one that is delivered twice is written once.
audit_batches = Table(
    "audit_batches",
    metadata,
    Column("batch_id", String(32), primary_key=True),
    Column("written_at_ms", BigInteger, nullable=False),
    Index("ix_audit_batches_written_at_ms", "written_at_ms"),
)

# How far each destination has the trail, and which replica is bringing it the next entries.
audit_exports = Table(
    "audit_exports",
    metadata,
    Column("destination", String(255), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("holder", String(64), nullable=False),
    Column("held_until_ms", BigInteger, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", String(100), primary_key=True),
    Column("source", String(100), nullable=False),
    Column("kind", String(100), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("asset", Text),
    Column("subject", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("dedup_key", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("occurrences", Integer, nullable=False),
    Column("occurred_at_ms", BigInteger, nullable=False),
    Column("last_occurred_at_ms", BigInteger, nullable=False),
    # The newest message counted on this row: one that is delivered twice is counted once.
    Column("last_alert_id", String(100), nullable=False),
    Column("acknowledged_by", String(255)),
    Column("acknowledged_at_ms", BigInteger),
    # When people are to be told, or told again after a delivery that failed; empty where there is nothing to tell.
    Column("notify_due_at_ms", BigInteger),
    Column("notify_wanted_at_ms", BigInteger),
    Column("notify_attempts", Integer, nullable=False, server_default="0"),
    # Destinations that have it already, while others do not.
    Column("notify_reached", JSON),
    Column("notified_at_ms", BigInteger),
    Column("notified_severity", String(16)),
    Index("ix_alerts_dedup_key", "dedup_key", "state"),
    Index("ix_alerts_occurred_at_ms", "occurred_at_ms", "alert_id"),
    Index("ix_alerts_notify_due_at_ms", "notify_due_at_ms"),
)


def migrate_gateway(url: str) -> None:
    """Bring the gateway's tables to their newest revision; see `shared.database.migrate`."""
    migrate(url, HISTORY, SCRIPTS)
