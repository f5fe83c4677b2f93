"""The tables of the anomaly service."""

from pathlib import Path

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, MetaData, String, Table

HISTORY = "anomaly"
SCRIPTS = Path(__file__).with_name("migrations")

metadata = MetaData()

# Published once, never changed: what may change later stands in `thresholds`.
versions = Table(
    "anomaly_versions",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    # SHA-256 of the packed bundle in the store.
    Column("archive", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("columns", JSON, nullable=False),
    Column("card", JSON, nullable=False),
    Column("job_id", String(32)),
    Column("created_at_ms", BigInteger, nullable=False),
)

# Limits set after publishing; of each version the last one is in force.
thresholds = Table(
    "anomaly_thresholds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("threshold", JSON, nullable=False),
    Column("set_by", String(255), nullable=False),
    Column("set_at_ms", BigInteger, nullable=False),
    Index("ix_anomaly_thresholds_version", "name", "version", "id"),
)

uploads = Table(
    "anomaly_uploads",
    metadata,
    Column("upload_id", String(32), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("columns", JSON, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("created_by", String(255), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)
