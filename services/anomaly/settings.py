"""What the anomaly service and its worker need to know; their own variables start with `ANOMALY_`."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from shared.settings import BehindGateway, KeepsBundles, ServiceSettings


class AnomalySettings(BehindGateway, KeepsBundles, ServiceSettings):
    """Settings of the service."""

    service: ClassVar[str] = "anomaly"

    port: int = Field(8102, ge=0, lt=65536, description="port to listen on")
    score_threads: int = Field(2, gt=0, le=256, description="threads that score and set thresholds")
    score_places: int = Field(64, gt=0, description="calls that may run or wait for a thread; further ones get a 503")
    score_limit_rows: int = Field(20_000, gt=0, description="most rows of one call, context included")
    score_limit_values: int = Field(
        200_000, gt=0, description="most values of one call, rows by columns: reading them holds up other callers"
    )
    stream_keep_s: float = Field(
        7 * 86_400.0, gt=0, le=1e9, description="a stream that brings no rows for so long is forgotten"
    )
    stream_limit: int = Field(
        10_000, gt=0, description="most streams that are kept at once, of all replicas; a further one gets a 503"
    )
    stream_limit_values: int = Field(
        500_000, gt=0, description="most readings that one stream may have to look back on, rows by columns"
    )
    stream_ahead_limit_s: float = Field(
        86_400.0, ge=0, le=1e9, description="rows of a stream from further in the future are refused"
    )
    stream_off_delay_rows: int = Field(
        30, gt=0, description="normal rows that end a stream's alarm; more where its score looks back further"
    )
    live_interval_s: float = Field(1.0, gt=0, le=600, description="between two storings of live counts and drift")
    drift_window_rows: int = Field(20_000, ge=100, description="newest rows that drift compares with training rows")
    loaded_limit: int = Field(64, gt=0, description="detectors that stay in memory")
    upload_places: int = Field(8, gt=0, description="uploads that may be read or wait for it; further ones get a 503")
    upload_limit_rows: int = Field(1_000_000, gt=0, description="most rows of an uploaded file")
    upload_limit_columns: int = Field(1024, gt=0, le=4096, description="most columns of an uploaded file")
    upload_limit_values: int = Field(20_000_000, gt=0, description="most values of an uploaded file, rows by columns")
    upload_retention_days: int = Field(7, ge=0, description="how long an upload can be used; 0 for ever")
    score_retention_days: int = Field(30, ge=0, description="how long the result of a score job is kept; 0 for ever")
    live_count_retention_days: int = Field(
        400, ge=0, description="live counts of an asset go when it has brought no rows for so long; 0 never"
    )
    cache_retention_days: int = Field(
        30, ge=0, description="files in cache_dir go when nobody has needed them for so long; 0 never"
    )
    health_limit: float = Field(40.0, gt=0, lt=100, description="health below which an inspection is due")
    health_interval_s: float = Field(5.0, gt=0, le=600, description="between two writings of what health is made of")
    asset_metrics: bool = Field(
        default=False, description="show the newest score, severity and health of each asset as metrics"
    )
    history_interval_s: float = Field(
        0.0, ge=0, le=86_400, description="keep these values of each asset so often, for dashboards; 0 keeps none"
    )
    history_retention_days: int = Field(7, ge=0, description="how long they are kept; 0 for ever")
    training_limit_s: float = Field(
        3600.0, gt=0, description="longest run of one training or score job; then it is stopped"
    )

    def folders(self) -> dict[str, Path]:
        """With those of bundles."""
        return super().folders() | self.bundle_folders()


class AnomalyWorkerSettings(KeepsBundles, ServiceSettings):
    """Settings of the worker: it signs what it publishes, and its port shows its metrics."""

    service: ClassVar[str] = "anomaly"
    section: ClassVar[str] = "anomaly-worker"

    port: int = Field(8112, ge=0, lt=65536, description="port that serves the metrics")
    signing_key_file: Path = Field(description="private key (PEM, Ed25519) that signs bundles")
    cache_retention_days: int = Field(
        30, ge=0, description="files in cache_dir go when no job has needed them for so long; 0 never"
    )

    def folders(self) -> dict[str, Path]:
        """With those of bundles."""
        return super().folders() | self.bundle_folders()
