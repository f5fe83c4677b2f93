"""The tables of plans and inspections."""

from pathlib import Path

from sqlalchemy import JSON, BigInteger, Boolean, Column, Date, Index, MetaData, String, Table, Text, UniqueConstraint

HISTORY = "planner"
SCRIPTS = Path(__file__).with_name("migrations")

metadata = MetaData()

plans = Table(
    "planner_plans",
    metadata,
    # The id of the job that searches for the plan.
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("assets", JSON(none_as_null=True), nullable=False),
    Column("request", JSON(none_as_null=True), nullable=False),
    Column("found", JSON(none_as_null=True)),
    Column("assignments", JSON(none_as_null=True)),
    Column("finished", Boolean, nullable=False),
    Column("stop_requested", Boolean, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Index("ix_planner_plans_created", "created_at_ms", "id"),
)

inspections = Table(
    "planner_inspections",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("device", String(200), nullable=False),
    # Empty where none is known: databases take two NULLs for different.
    Column("asset", String(200), nullable=False),
    Column("started", Date, nullable=False),
    Column("finished", Date, nullable=False),
    Column("findings", Text, nullable=False),
    Column("recorded_by", String(255), nullable=False),
    Column("recorded_at_ms", BigInteger, nullable=False),
    UniqueConstraint("device", "asset", "finished", name="uq_planner_inspections"),
    Index("ix_planner_inspections_recorded", "recorded_at_ms", "id"),
)
