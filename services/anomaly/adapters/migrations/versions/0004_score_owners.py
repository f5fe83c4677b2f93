"""Whose job a result of scores is of; nobody's, where it was kept before this was noted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("anomaly_scores") as scores:
        scores.add_column(sa.Column("owner", sa.String(255)))


def downgrade() -> None:
    with op.batch_alter_table("anomaly_scores") as scores:
        scores.drop_column("owner")
