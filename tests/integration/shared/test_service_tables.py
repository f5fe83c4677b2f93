"""The tables of every service: those of the migrations are those of the code, and the way back works."""

from types import ModuleType

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from services.anomaly.adapters import tables as anomaly
from services.gateway.adapters import tables as gateway
from services.planner.adapters import tables as planner
from services.twin.adapters import tables as twin
from shared.database import migrate, open_engine, write


@pytest.fixture(params=[anomaly, gateway, planner, twin], ids=lambda tables: str(tables.HISTORY))
def tables(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


def test_the_migrations_make_the_tables_that_the_code_uses(database_url: str, tables: ModuleType):
    migrate(database_url, tables.HISTORY, tables.SCRIPTS)
    engine = open_engine(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), tables.metadata)
    engine.dispose()
    assert [difference for difference in differences if difference[0] != "remove_table"] == []


def test_every_later_migration_can_be_undone_and_done_again(database_url: str, tables: ModuleType):
    migrate(database_url, tables.HISTORY, tables.SCRIPTS)
    engine = open_engine(database_url)
    config = Config()
    config.set_main_option("script_location", str(tables.SCRIPTS))
    with write(engine) as connection:
        config.attributes.update(connection=connection, version_table=f"alembic_version_{tables.HISTORY}")
        # Not further: nothing drops the users and the audit chain.
        command.downgrade(config, "0001")
    engine.dispose()
    migrate(database_url, tables.HISTORY, tables.SCRIPTS)
