"""The twin's tables. Times are whole milliseconds since 1970 [ms], so that both databases order and index them."""

from pathlib import Path

from sqlalchemy import JSON, BigInteger, Column, Float, Integer, MetaData, String, Table

HISTORY = "twin"
SCRIPTS = Path(__file__).parent / "migrations"

metadata = MetaData()

models = Table(
    "twin_models",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("active_version", String(64), nullable=False),
    Column("previous_version", String(64)),
)

versions = Table(
    "twin_versions",
    metadata,
    Column("model", String(64), primary_key=True),
    Column("version", String(64), primary_key=True),
    # Of the signed manifest, and of the zip in the store.
    Column("digest", String(64), nullable=False),
    Column("archive_digest", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("card", JSON, nullable=False),
    Column("published_at_ms", BigInteger, nullable=False),
    Column("published_by", String(255), nullable=False),
    # The row stays when a version is withdrawn: its name must not come back as something else.
    Column("withdrawn_at_ms", BigInteger),
)

alert_rules = Table(
    "twin_alert_rules",
    metadata,
    Column("model", String(64), primary_key=True),
    Column("minimum", Float),
    Column("maximum", Float),
    Column("cooldown_s", Float, nullable=False),
    Column("severity", String(16), nullable=False),
)

# One row, counted up by every change above: replicas read it often and everything else only when it has moved.
generation = Table(
    "twin_generation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
