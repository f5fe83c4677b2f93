"""What the twin is told at its start."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, SecretStr

from shared.settings import COMMON_PREFIX, BehindGateway, KeepsBundles, ProcessSettings, ServiceSettings

# Names of the original specification's container, beside TWIN_BUNDLE and TWIN_LOG_LEVEL, which win.
_PLAIN_NAMES = {"bundle": "MODEL_PATH", "log_level": "LOG_LEVEL"}


class TwinSettings(BehindGateway, KeepsBundles, ServiceSettings):
    """Environment variables start with `TWIN_`; those that all processes share start with `FUTAGO_`."""

    service: ClassVar[str] = "twin"

    port: int = Field(8101, ge=0, lt=65536, description="port to listen on")
    model_path: Path | None = Field(
        None, description="a bundle folder to serve besides the published models; it also answers where none is named"
    )
    default_model: str | None = Field(None, description="the model that answers a request which names none")
    body_limit_bytes: int = Field(
        4 * 1024**2, gt=0, description="largest request body that is not an upload; 100 rows of 1,000 features fit"
    )
    batch_limit_rows: int = Field(100, gt=0, description="most inputs of one batch")
    loaded_models_limit: int = Field(64, gt=0, description="most published models in memory; the least used makes room")
    loaded_models_limit_bytes: int = Field(
        256 * 1024**2, gt=0, description="most bytes of their bundles; in memory a forest takes five to ten times that"
    )
    compute_threads: int = Field(2, gt=0, description="threads for batches and for models slower than 500 µs a row")
    compute_waiting_limit: int = Field(64, ge=0, description="calls that may wait for such a thread; more are refused")
    cache_ttl_s: int = Field(300, ge=0, description="how long a prediction is remembered; 0 turns the cache off")
    cache_lru_entries: int = Field(1000, ge=0, description="predictions in the process's own memory, before Redis")
    cache_redis_from_row_us: float = Field(
        0.0, ge=0, description="models that predict a row faster than this are not looked up in Redis"
    )
    stuck_after_readings: int = Field(
        30, ge=0, description="equal readings in a row that make a sensor stuck; 0 turns the check off"
    )
    observation_limit_rows: int = Field(1000, gt=0, description="most observations of one request")
    observation_retention_days: int = Field(
        400,
        ge=0,
        description="observations are deleted so long after they came, 0: never; what was learned from them stays",
    )
    registry_poll_s: float = Field(
        1.0, gt=0, description="how often to look for newly activated versions and newly learned corrections"
    )
    asset_metrics: bool = Field(
        default=False, description="show the newest prediction and interval of each asset as metrics"
    )
    history_interval_s: float = Field(
        0.0, ge=0, le=86_400, description="keep a prediction of each asset so often, for dashboards; 0 keeps none"
    )
    history_retention_days: int = Field(7, ge=0, description="how long these are kept; 0 for ever")
    withdrawn_keep_s: float = Field(
        86_400.0, ge=60, description="how long the bundle of a withdrawn version stays in the store"
    )

    def folders(self) -> dict[str, Path]:
        """With those of bundles."""
        return super().folders() | self.bundle_folders()


class StandaloneSettings(ProcessSettings):
    """For a twin on its own: one bundle, no other process. Environment variables start with `TWIN_`."""

    service: ClassVar[str] = "twin"

    port: int = Field(8000, ge=0, lt=65536, description="port to listen on")
    drain_s: float = Field(0.0, ge=0, description="how long to report 'not ready' before a shutdown begins")
    body_limit_bytes: int = Field(4 * 1024**2, gt=0, description="largest request body")
    bundle: Path = Field(description="the bundle folder to serve")
    trust_dir: Path | None = Field(
        None, description="folder of public keys whose bundles are accepted; the one of FUTAGO_HOME unless set"
    )
    api_key: SecretStr | None = Field(
        None, min_length=16, description="callers send it as `X-API-Key`; needed where other machines can connect"
    )
    api_key_file: Path | None = Field(None, description="a file that holds the key instead")
    state_file: Path | None = Field(None, description="what observations have taught, kept over restarts")
    observation_limit_rows: int = Field(1000, gt=0, description="most observations of one request")
    batch_limit_rows: int = Field(100, gt=0, description="most inputs of one batch")
    compute_threads: int = Field(2, gt=0, description="threads for batches and for models slower than 500 µs a row")
    compute_waiting_limit: int = Field(64, ge=0, description="calls that may wait for such a thread; more are refused")
    stuck_after_readings: int = Field(
        30, ge=0, description="equal readings in a row that make a sensor stuck; 0 turns the check off"
    )

    def folders(self) -> dict[str, Path]:
        """With the one of what observations have taught."""
        return super().folders() | ({} if self.state_file is None else {"state": self.state_file.parent})

    @classmethod
    def load(cls, config: Path | None, told: Mapping[str, object] | None = None) -> Self:
        """As every process does; `MODEL_PATH` and `LOG_LEVEL` count where nothing else names bundle and level."""
        plain = {
            name: os.environ[variable]
            for name, variable in _PLAIN_NAMES.items()
            if variable in os.environ
            and not {f"TWIN_{name.upper()}", f"{COMMON_PREFIX}{name.upper()}"} & os.environ.keys()
        }
        return super().load(config, plain | dict(told or {}))
