"""What people need to tell their sessions apart."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with op.batch_alter_table("refresh_families") as families:
        families.add_column(sa.Column("refreshed_at_ms", sa.BigInteger))
        families.add_column(sa.Column("address", sa.Text, nullable=False, server_default=""))
        families.add_column(sa.Column("user_agent", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("refresh_families") as families:
        for column in ("user_agent", "address", "refreshed_at_ms"):
            families.drop_column(column)
