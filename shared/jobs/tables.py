"""The table of jobs: the row is the truth about a job, the queue in Redis only says that there is one to look at."""

from pathlib import Path

from sqlalchemy import JSON, BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from shared.database import migrate

HISTORY = "jobs"
SCRIPTS = Path(__file__).parent.parent / "migrations"

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(100), nullable=False),
    Column("queue", String(100), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("payload", JSON(none_as_null=True), nullable=False),
    Column("progress", JSON(none_as_null=True)),
    Column("result", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    Column("idempotency_digest", String(64)),
    Column("body_digest", String(64), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("time_limit_s", Float, nullable=False),
    # Goes up whenever the right to work on the job changes hands; what an attempt writes must name the current one.
    Column("fence", Integer, nullable=False),
    # Goes up while the attempt lives. Sweepers watch it change, so that no two machines' clocks are ever compared.
    Column("beats", BigInteger, nullable=False),
    Column("worker", Text),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("started_at_ms", BigInteger),
    Column("finished_at_ms", BigInteger),
    # Of the request that asked for it.
    Column("request_id", String(64)),
    Column("traceparent", String(64)),
    UniqueConstraint("owner", "idempotency_digest", name="uq_jobs_owner_idempotency_digest"),
    Index("ix_jobs_created", "created_at_ms", "id"),
    Index("ix_jobs_owner_created", "owner", "created_at_ms", "id"),
    Index("ix_jobs_queue_state", "queue", "state"),
)

# What callers and sweepers need of a job. The payload can be megabytes: only the attempt that works on it reads it.
TOLD = tuple(column for column in jobs.columns if column is not jobs.c.payload)


def migrate_jobs(url: str) -> None:
    """Bring the table of jobs to its newest revision; see `shared.database.migrate`."""
    migrate(url, HISTORY, SCRIPTS)
