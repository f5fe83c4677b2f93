"""Public keys that an administrator enrolled."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "twin_trusted_keys",
        sa.Column("key_id", sa.String(64), primary_key=True),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("enrolled_at_ms", sa.BigInteger, nullable=False),
        sa.Column("enrolled_by", sa.String(255), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("twin_trusted_keys")
