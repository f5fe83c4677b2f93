"""The tables of the anomaly service."""

from pathlib import Path

from sqlalchemy import JSON, BigInteger, Column, Float, Index, Integer, MetaData, String, Table

from shared.history import points_table

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
    # Readings that are not there.
    Column("missing", BigInteger, nullable=False, server_default="0"),
    # Time of the first and the last row, where there are times.
    Column("first_at_us", BigInteger),
    Column("last_at_us", BigInteger),
    # Height, width and channels, where the rows are images.
    Column("image_shape", JSON(none_as_null=True)),
)

# What a version met under one limit, asset by asset; calls that name no asset count under "".
live = Table(
    "anomaly_live",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("limit_key", String(16), primary_key=True),
    Column("asset", String(255), primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("alarm_rows", BigInteger, nullable=False),
    Column("alarms", BigInteger, nullable=False),
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
)

# Which version answers, of a detector whose versions did not all begin to serve when they were published.
serving = Table(
    "anomaly_serving",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    # The one that answered before.
    Column("previous", Integer),
    Column("set_by", String(255), nullable=False),
    Column("set_at_ms", BigInteger, nullable=False),
)

# What score jobs found: a file in the store each.
scores = Table(
    "anomaly_scores",
    metadata,
    Column("job_id", String(32), primary_key=True),
    Column("digest", String(64), nullable=False),
    # Empty only for a caller who is not limited to some assets.
    Column("asset", String(255)),
    Column("created_at_ms", BigInteger, nullable=False),
    # Subject of the caller whose job it was.
    Column("owner", String(255)),
)

# How far from normal the rows of an asset were, hour by hour since 1970; replicas add to the same row.
health = Table(
    "anomaly_health",
    metadata,
    Column("asset", String(255), primary_key=True),
    Column("detector", String(64), primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("rows", BigInteger, nullable=False),
    Column("severity_sum", Float, nullable=False),
    Column("last_at_us", BigInteger, nullable=False),
)

# The end of an asset's last inspection: what was seen before says nothing about it any more.
resets = Table(
    "anomaly_resets",
    metadata,
    Column("asset", String(255), primary_key=True),
    Column("reset_at_us", BigInteger, nullable=False),
)

# Scores and health of assets, one an interval, for dashboards.
history = points_table(metadata, "anomaly_history")
