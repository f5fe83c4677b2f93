"""Which alerts people are still to be told about, and which they were."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("alerts") as alerts:
        alerts.add_column(sa.Column("notify_due_at_ms", sa.BigInteger))
        alerts.add_column(sa.Column("notify_wanted_at_ms", sa.BigInteger))
        alerts.add_column(sa.Column("notify_attempts", sa.Integer, nullable=False, server_default="0"))
        alerts.add_column(sa.Column("notify_reached", sa.JSON))
        alerts.add_column(sa.Column("notified_at_ms", sa.BigInteger))
        alerts.add_column(sa.Column("notified_severity", sa.String(16)))
        alerts.create_index("ix_alerts_notify_due_at_ms", ["notify_due_at_ms"])


def downgrade() -> None:
    columns = ("notified_severity", "notified_at_ms", "notify_reached", "notify_attempts", "notify_wanted_at_ms")
    with op.batch_alter_table("alerts") as alerts:
        alerts.drop_index("ix_alerts_notify_due_at_ms")
        for column in (*columns, "notify_due_at_ms"):
            alerts.drop_column(column)
