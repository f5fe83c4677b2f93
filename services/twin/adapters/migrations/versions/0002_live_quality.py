"""Observations of what a model predicted, and what was learned from them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "twin_observations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("group_id", sa.BigInteger, nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("asset", sa.String(255), nullable=False),
        sa.Column("observed_at_ms", sa.BigInteger, nullable=False),
        sa.Column("untimed_id", sa.BigInteger, nullable=False),
        sa.Column("received_at_ms", sa.BigInteger, nullable=False),
        sa.Column("actual", sa.Float, nullable=False),
        sa.Column("prediction", sa.Float, nullable=False),
        sa.Column("lower", sa.Float, nullable=False),
        sa.Column("upper", sa.Float, nullable=False),
        sa.Column("level", sa.Float, nullable=False),
        sa.Column("covered", sa.Boolean, nullable=False),
        sa.Column("learned", sa.Boolean, nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.UniqueConstraint("model", "observed_at_ms", "asset", "version", "untimed_id", name="twin_observations_once"),
    )
    op.create_index("twin_observations_received", "twin_observations", ["received_at_ms"])
    op.create_index("twin_observations_version", "twin_observations", ["model", "version", "id"])
    op.create_table(
        "twin_live_state",
        sa.Column("model", sa.String(64), primary_key=True),
        sa.Column("version", sa.String(64), primary_key=True),
        sa.Column("state", sa.JSON, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("twin_live_state_revisions", "twin_live_state", ["model", "version", "revision"])


def downgrade() -> None:
    op.drop_table("twin_live_state")
    op.drop_table("twin_observations")
