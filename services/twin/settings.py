"""What the twin is told at its start."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from shared.settings import BehindGateway, KeepsBundles, ServiceSettings


class TwinSettings(BehindGateway, KeepsBundles, ServiceSettings):
    """Environment variables start with `TWIN_`; those that all processes share start with `FUTAGO_`."""

    service: ClassVar[str] = "twin"

    model_path: Path | None = Field(
        None, description="a bundle folder to serve besides the published models; it also answers where none is named"
    )
    default_model: str | None = Field(None, description="the model that answers a request which names none")
    body_limit_bytes: int = Field(
        4 * 1024**2, gt=0, description="largest request body that is not an upload; 100 rows of 1,000 features fit"
    )
    batch_limit_rows: int = Field(100, gt=0, description="most inputs of one batch")
    loaded_models_limit: int = Field(64, gt=0, description="most published models in memory; the least used makes room")
    compute_threads: int = Field(2, gt=0, description="threads for batches and for models slower than 500 µs a row")
    compute_waiting_limit: int = Field(64, ge=0, description="calls that may wait for such a thread; more are refused")
    registry_poll_s: float = Field(1.0, gt=0, description="how often to look for newly activated versions")
