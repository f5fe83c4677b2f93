"""Networks, limits and expiry warnings of API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("api_keys") as table:
        table.add_column(sa.Column("networks", sa.JSON, nullable=False, server_default="[]"))
        table.add_column(sa.Column("requests_per_hour", sa.BigInteger))
        table.add_column(sa.Column("burst", sa.BigInteger))
        table.add_column(sa.Column("warned_expiry_ms", sa.BigInteger))
    op.create_index("ix_api_keys_expires_at_ms", "api_keys", ["expires_at_ms"])


def downgrade() -> None:
    op.drop_index("ix_api_keys_expires_at_ms", "api_keys")
    with op.batch_alter_table("api_keys") as table:
        for name in ("warned_expiry_ms", "burst", "requests_per_hour", "networks"):
            table.drop_column(name)
