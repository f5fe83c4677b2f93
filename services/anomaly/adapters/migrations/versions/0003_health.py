"""What uploads hold, which version serves, results of score jobs, and the health of assets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("anomaly_uploads") as uploads:
        uploads.add_column(sa.Column("missing", sa.BigInteger, nullable=False, server_default="0"))
        uploads.add_column(sa.Column("first_at_us", sa.BigInteger))
        uploads.add_column(sa.Column("last_at_us", sa.BigInteger))
        uploads.add_column(sa.Column("image_shape", sa.JSON))
    op.create_table(
        "anomaly_serving",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("previous", sa.Integer),
        sa.Column("set_by", sa.String(255), nullable=False),
        sa.Column("set_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "anomaly_scores",
        sa.Column("job_id", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("asset", sa.String(255)),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "anomaly_health",
        sa.Column("asset", sa.String(255), primary_key=True),
        sa.Column("detector", sa.String(64), primary_key=True),
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("severity_sum", sa.Float, nullable=False),
        sa.Column("last_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "anomaly_resets",
        sa.Column("asset", sa.String(255), primary_key=True),
        sa.Column("reset_at_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("anomaly_resets", "anomaly_health", "anomaly_scores", "anomaly_serving"):
        op.drop_table(table)
    with op.batch_alter_table("anomaly_uploads") as uploads:
        for column in ("image_shape", "last_at_us", "first_at_us", "missing"):
            uploads.drop_column(column)
