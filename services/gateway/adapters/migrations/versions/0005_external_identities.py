"""People that an identity provider vouches for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "external_identities",
        sa.Column("identity_id", sa.String(32), primary_key=True),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("display_name", sa.String(255), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("active", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("first_seen_at_ms", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at_ms", sa.BigInteger, nullable=False),
    )
    # They acknowledge alerts too, and have longer names than users.
    with op.batch_alter_table("alerts") as table:
        table.alter_column("acknowledged_by", existing_type=sa.String(64), type_=sa.String(255))


def downgrade() -> None:
    with op.batch_alter_table("alerts") as table:
        table.alter_column("acknowledged_by", existing_type=sa.String(255), type_=sa.String(64))
    op.drop_table("external_identities")
