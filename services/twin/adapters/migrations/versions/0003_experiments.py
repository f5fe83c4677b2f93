"""Experiments and what is counted of them; alert rules on the rate of change, with hysteresis."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "twin_experiments",
        sa.Column("model", sa.String(64), primary_key=True),
        sa.Column("experiment_id", sa.String(32), nullable=False),
        sa.Column("sticky", sa.String(16), nullable=False),
        sa.Column("started_at_ms", sa.BigInteger, nullable=False),
        sa.Column("started_by", sa.String(255), nullable=False),
    )
    op.create_table(
        "twin_experiment_arms",
        sa.Column("experiment_id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("weight", sa.Float),
        sa.Column("predictions", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cache_hits", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("fail_safes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("refused", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("failed", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("compared", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("difference_sum", sa.Float, nullable=False, server_default="0"),
        sa.Column("difference_max", sa.Float, nullable=False, server_default="0"),
    )
    with op.batch_alter_table("twin_alert_rules") as rules:
        rules.add_column(sa.Column("hysteresis", sa.Float, nullable=False, server_default="0"))
        rules.add_column(sa.Column("rate_limit_per_min", sa.Float))


def downgrade() -> None:
    with op.batch_alter_table("twin_alert_rules") as rules:
        rules.drop_column("rate_limit_per_min")
        rules.drop_column("hysteresis")
    for table in ("twin_experiment_arms", "twin_experiments"):
        op.drop_table(table)
