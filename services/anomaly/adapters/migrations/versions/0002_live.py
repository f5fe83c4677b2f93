"""What detectors met since they serve."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "anomaly_live",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("limit_key", sa.String(16), primary_key=True),
        sa.Column("asset", sa.String(255), primary_key=True),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("alarm_rows", sa.BigInteger, nullable=False),
        sa.Column("alarms", sa.BigInteger, nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger, nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("anomaly_live")
