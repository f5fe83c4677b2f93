"""What must be right before the gateway opens."""

from pathlib import Path

from sqlalchemy import Engine

from services.gateway.adapters.tables import HISTORY, SCRIPTS
from shared.database import is_current
from shared.errors import AppError
from shared.jwt import TokenSigner
from shared.startup import Check, secret_file


def signing_key(path: Path, purpose: str) -> Check:
    """The file is kept secret and holds a key that tokens can be signed with."""

    def check() -> str | None:
        if reason := secret_file(path, purpose)():
            return reason
        try:
            TokenSigner(path.read_bytes())
        except ValueError as error:
            return f"{purpose}: {path} is of no use ({error})"
        return None

    return check


def current_tables(engine: Engine) -> Check:
    """The database answers and its tables are those of this release."""

    def check() -> str | None:
        try:
            current = is_current(engine, HISTORY, SCRIPTS)
        except AppError as error:
            return f"the database: {error.message}"
        return None if current else "the database: its tables are not those of this release; run the migrations first"

    return check
