"""Rows that an older release wrote are read by this one."""

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from services.anomaly.adapters.table_store import SqlTableStore
from services.anomaly.adapters.tables import HISTORY, SCRIPTS
from shared.clock import SystemClock
from shared.database import migrate, open_engine, write
from shared.store import Store


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
    kept = SqlTableStore(engine, Store("file:///nowhere"), clock=SystemClock(), uploads_kept=None).upload("u1")
    engine.dispose()
    assert (kept.rows, kept.missing, kept.period, kept.image_shape) == (7, 0, None, None)
