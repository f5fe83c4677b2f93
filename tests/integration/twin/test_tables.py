"""The twin's tables: those of the migrations are those of the code, and the way back works."""

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from services.twin.adapters.tables import HISTORY, SCRIPTS, metadata
from shared.database import migrate, open_engine, write


def test_the_migrations_make_the_tables_that_the_code_uses(database_url: str):
    migrate(database_url, HISTORY, SCRIPTS)
    engine = open_engine(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert [difference for difference in differences if difference[0] != "remove_table"] == []


def test_every_migration_can_be_undone_and_done_again(database_url: str):
    migrate(database_url, HISTORY, SCRIPTS)
    engine = open_engine(database_url)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with write(engine) as connection:
        config.attributes.update(connection=connection, version_table=f"alembic_version_{HISTORY}")
        command.downgrade(config, "base")
    engine.dispose()
    migrate(database_url, HISTORY, SCRIPTS)
