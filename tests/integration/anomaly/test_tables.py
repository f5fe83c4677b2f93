"""The anomaly service's tables: those of the migrations are those of the code, and the way back works."""

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import text

from services.anomaly.adapters.table_store import SqlTableStore
from services.anomaly.adapters.tables import HISTORY, SCRIPTS, metadata
from shared.database import migrate, open_engine, write
from shared.store import Store


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


def test_detectors_and_uploads_of_the_first_release_are_still_there(database_url: str):
    engine = open_engine(database_url)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with write(engine) as connection:
        config.attributes.update(connection=connection, version_table=f"alembic_version_{HISTORY}")
        command.upgrade(config, "0001")
        connection.execute(
            text(
                'INSERT INTO anomaly_uploads (upload_id, digest, "columns", "rows", created_by, created_at_ms) '
                "VALUES ('u1', 'd1', '[\"a\"]', 7, 'ada', 0)"
            )
        )
    migrate(database_url, HISTORY, SCRIPTS)
    kept = SqlTableStore(engine, Store("file:///nowhere")).upload("u1")
    engine.dispose()
    assert (kept.rows, kept.missing, kept.period, kept.image_shape) == (7, 0, None, None)
