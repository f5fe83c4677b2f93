"""Second factors of users and their recovery codes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(
            sa.Column("second_factor", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.false())
        )
        users.add_column(
            sa.Column("short_password", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.false())
        )
        users.add_column(sa.Column("last_login_at_ms", sa.BigInteger))
    op.create_table(
        "second_factors",
        sa.Column("username", sa.String(64), sa.ForeignKey("users.username"), primary_key=True),
        sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
        sa.Column("begun_at_ms", sa.BigInteger, nullable=False),
        sa.Column("confirmed_at_ms", sa.BigInteger),
        sa.Column("last_step", sa.BigInteger),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("username", sa.String(64), sa.ForeignKey("users.username"), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
    )


def downgrade() -> None:
    op.drop_table("recovery_codes")
    op.drop_table("second_factors")
    with op.batch_alter_table("users") as users:
        for column in ("last_login_at_ms", "short_password", "second_factor"):
            users.drop_column(column)
