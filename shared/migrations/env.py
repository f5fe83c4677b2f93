from shared.database import run_migrations
from shared.jobs.tables import metadata

run_migrations(metadata)
