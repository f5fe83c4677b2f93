"""A short history of the values of assets, for dashboards."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "twin_history",
        sa.Column("metric", sa.String(32), primary_key=True),
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("asset", sa.String(255), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("value", sa.Float, nullable=False),
    )
    op.create_index("twin_history_at", "twin_history", ["at_ms"])


def downgrade() -> None:
    op.drop_table("twin_history")
