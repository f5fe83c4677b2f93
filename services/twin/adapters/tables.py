"""The twin's tables. Times are whole milliseconds since 1970 [ms], so that both databases order and index them."""

from pathlib import Path

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from shared.history import points_table

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
    Column("hysteresis", Float, nullable=False, server_default="0"),
    Column("rate_limit_per_min", Float),
    Column("cooldown_s", Float, nullable=False),
    Column("severity", String(16), nullable=False),
)

# The experiment that runs on a model.
experiments = Table(
    "twin_experiments",
    metadata,
    Column("model", String(64), primary_key=True),
    # Another for another experiment on the same model, so that their tallies stay apart.
    Column("experiment_id", String(32), nullable=False),
    Column("sticky", String(16), nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("started_by", String(255), nullable=False),
)

# Its arms: a weight for one that answers, none for a shadow; and what all replicas together counted of each.
experiment_arms = Table(
    "twin_experiment_arms",
    metadata,
    Column("experiment_id", String(32), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("version", String(64), nullable=False),
    Column("weight", Float),
    Column("predictions", BigInteger, nullable=False, server_default="0"),
    Column("cache_hits", BigInteger, nullable=False, server_default="0"),
    Column("fail_safes", BigInteger, nullable=False, server_default="0"),
    Column("refused", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False, server_default="0"),
    Column("compared", BigInteger, nullable=False, server_default="0"),
    Column("difference_sum", Float, nullable=False, server_default="0"),
    Column("difference_max", Float, nullable=False, server_default="0"),
)

# One row, counted up by every change above: replicas read it often and everything else only when it has moved.
generation = Table(
    "twin_generation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# Public keys that an administrator enrolled.
trusted_keys = Table(
    "twin_trusted_keys",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("public_key", Text, nullable=False),
    Column("enrolled_at_ms", BigInteger, nullable=False),
    Column("enrolled_by", String(255), nullable=False),
)

# What was measured, beside what each version had predicted for it.
observations = Table(
    "twin_observations",
    metadata,
    # SQLite counts up by itself only where the type says INTEGER.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    # The same for every version that one observation was compared with.
    Column("group_id", BigInteger, nullable=False),
    Column("model", String(64), nullable=False),
    Column("version", String(64), nullable=False),
    # Empty where none was named: two NULLs would not be the same to the constraint below.
    Column("asset", String(255), nullable=False),
    Column("observed_at_ms", BigInteger, nullable=False),
    # 0 where the sender said when: the same time again is then the same observation. Otherwise the group's number.
    Column("untimed_id", BigInteger, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("actual", Float, nullable=False),
    Column("prediction", Float, nullable=False),
    Column("lower", Float, nullable=False),
    Column("upper", Float, nullable=False),
    Column("level", Float, nullable=False),
    Column("covered", Boolean, nullable=False),
    # False where it came too late to change what is known of the present.
    Column("learned", Boolean, nullable=False),
    Column("user", String(255), nullable=False),
    UniqueConstraint("model", "observed_at_ms", "asset", "version", "untimed_id", name="twin_observations_once"),
    Index("twin_observations_received", "received_at_ms"),
    Index("twin_observations_version", "model", "version", "id"),
)

# One row for each version that was ever observed: its rolling window, correction and alarm.
live_states = Table(
    "twin_live_state",
    metadata,
    Column("model", String(64), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("state", JSON, nullable=False),
    # Counts the changes of this row, so that replicas see them.
    Column("revision", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    # All that replicas read each second: without it they would walk through every state.
    Index("twin_live_state_revisions", "model", "version", "revision"),
)

# Predictions about assets, one an interval, for dashboards.
history = points_table(metadata, "twin_history")
