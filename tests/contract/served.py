"""The OpenAPI document that each service would serve, without starting one."""

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from futago.launcher.home import Home
from futago.launcher.keys import make_keys
from futago.migrations import migrate_all
from services.anomaly.app import create_app as create_anomaly
from services.anomaly.settings import AnomalySettings
from services.gateway.app import create_app as create_gateway
from services.gateway.settings import GatewaySettings
from services.planner.app import create_app as create_planner
from services.planner.settings import PlannerSettings
from services.twin.app import create_app as create_twin
from services.twin.settings import TwinSettings
from shared.http.app import ServiceApp

Document = dict[str, Any]
COMMITTED = Path(__file__).parents[2] / "docs" / "reference" / "openapi"
SERVICES = ("anomaly", "gateway", "planner", "twin")


def served(service: str, folder: Path) -> Document:
    """The document of one service, made from settings that point into `folder`."""
    document: Document = application(service, folder).api.openapi()
    return document


def application(service: str, folder: Path, **told: object) -> ServiceApp:
    """One service, made from settings that point into `folder` and from what is told, and not started."""
    home = Home(folder)
    home.make_folders()
    keys = make_keys(home)
    home.database.write_bytes(_migrated())
    database_url = f"sqlite:///{home.database}"
    common: dict[str, Any] = {"port": 0, "redis_url": "redis://127.0.0.1:1", "database_url": database_url, **told}
    behind: dict[str, Any] = common | {"identity_key_file": keys.identity_public}
    bundles: dict[str, Any] = behind | {
        "store_url": home.store.as_uri(),
        "cache_dir": home.cache,
        "trust_dir": home.trust,
    }
    makers: dict[str, Callable[[], ServiceApp]] = {
        "anomaly": lambda: create_anomaly(AnomalySettings(**bundles)),
        "gateway": lambda: create_gateway(
            GatewaySettings(
                **common,
                access_key_file=keys.access,
                identity_private_key_file=keys.identity,
                second_factor_key_file=keys.second_factor,
            )
        ),
        "planner": lambda: create_planner(PlannerSettings(**behind)),
        "twin": lambda: create_twin(TwinSettings(**bundles)),
    }
    return makers[service]()


@lru_cache
def _migrated() -> bytes:
    """A database with every table and nothing in it; making one takes longer than all else."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        migrate_all(f"sqlite:///{path}")
        return path.read_bytes()


def text_of(document: Document) -> str:
    """The document as it is committed: sorted, so that a change shows as a small difference."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
