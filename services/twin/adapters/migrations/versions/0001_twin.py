"""Models, their versions, alert rules, and the counter of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "twin_models",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("active_version", sa.String(64), nullable=False),
        sa.Column("previous_version", sa.String(64)),
    )
    op.create_table(
        "twin_versions",
        sa.Column("model", sa.String(64), primary_key=True),
        sa.Column("version", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("archive_digest", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("card", sa.JSON, nullable=False),
        sa.Column("published_at_ms", sa.BigInteger, nullable=False),
        sa.Column("published_by", sa.String(255), nullable=False),
        sa.Column("withdrawn_at_ms", sa.BigInteger),
    )
    op.create_table(
        "twin_alert_rules",
        sa.Column("model", sa.String(64), primary_key=True),
        sa.Column("minimum", sa.Float),
        sa.Column("maximum", sa.Float),
        sa.Column("cooldown_s", sa.Float, nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
    )
    counter = op.create_table(
        "twin_generation",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(counter, [{"id": 1, "value": 0}])


def downgrade() -> None:
    for table in ("twin_generation", "twin_alert_rules", "twin_versions", "twin_models"):
        op.drop_table(table)
