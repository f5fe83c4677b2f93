"""Finished inspections."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "planner_inspections",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("device", sa.String(200), nullable=False),
        sa.Column("asset", sa.String(200), nullable=False),
        sa.Column("started", sa.Date, nullable=False),
        sa.Column("finished", sa.Date, nullable=False),
        sa.Column("findings", sa.Text, nullable=False),
        sa.Column("recorded_by", sa.String(255), nullable=False),
        sa.Column("recorded_at_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("device", "asset", "finished", name="uq_planner_inspections"),
    )
    op.create_index("ix_planner_inspections_recorded", "planner_inspections", ["recorded_at_ms", "id"])


def downgrade() -> None:
    op.drop_table("planner_inspections")
