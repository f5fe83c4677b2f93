"""Detectors, their limits, and uploads."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "anomaly_versions",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("archive", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("columns", sa.JSON, nullable=False),
        sa.Column("card", sa.JSON, nullable=False),
        sa.Column("job_id", sa.String(32)),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "anomaly_thresholds",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("threshold", sa.JSON, nullable=False),
        sa.Column("set_by", sa.String(255), nullable=False),
        sa.Column("set_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_anomaly_thresholds_version", "anomaly_thresholds", ["name", "version", "id"])
    op.create_table(
        "anomaly_uploads",
        sa.Column("upload_id", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("columns", sa.JSON, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("anomaly_uploads", "anomaly_thresholds", "anomaly_versions"):
        op.drop_table(table)
