"""The worker that trains detectors. `python -m services.anomaly.worker [--config FILE]`.

torch is imported in the child process of a job that trains a network, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from services.anomaly.adapters.detector_bundle import detector_card
from services.anomaly.adapters.detector_store import store_detector
from services.anomaly.adapters.onnx_detector import OnnxResidualModel
from services.anomaly.adapters.sql_catalogue import VersionTaken, next_version, publish_version
from services.anomaly.adapters.table_store import fetch_table
from services.anomaly.adapters.training_queue import QUEUE
from services.anomaly.domain.trained import Trained
from services.anomaly.domain.training_plan import plan_training
from services.anomaly.domain.training_requests import TRAIN_JOB
from services.anomaly.settings import AnomalyWorkerSettings
from services.anomaly.training.pipeline import Hooks, TrainingSet, train
from shared.clock import SystemClock, rfc3339
from shared.errors import JSON
from shared.jobs import JobContext, begin_worker, run_worker
from shared.log import get_logger
from shared.onnx.signing import SigningKey
from shared.startup import secret_file, writable_folder
from shared.store import Store

if TYPE_CHECKING:
    from services.anomaly.training.fit import Epoch

log = get_logger(__name__)

# Training is what takes time; reading before it and publishing after it are given the rest of the progress.
_TRAINING_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class _Order:
    """The payload that `services.anomaly.domain.training_requests` writes."""

    name: str
    kind: str
    table: str
    columns: list[str]
    units: dict[str, str]
    options: dict[str, JSON]
    threshold: dict[str, JSON] | None

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> _Order:
        return cls(**payload)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where this worker finds and leaves things; strings, because they travel to the child as JSON."""

    store_url: str
    cache_dir: str
    signing_key_file: str

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> _Place:
        return cls(**options)


def train_detector(context: JobContext) -> Mapping[str, JSON]:
    """Handle a training job: fetch the rows, train, sign, and publish the next version of the detector."""
    wanted, place = _Order.of(context.payload), _Place.of(context.options)
    store = Store(place.store_url)
    context.progress(0.0, "reading the rows")
    table = fetch_table(store, wanted.table, Path(place.cache_dir), wanted.columns)

    def on_epoch(epoch: Epoch) -> None:
        context.progress(
            _TRAINING_SHARE * epoch.number / epoch.of,
            f"epoch {epoch.number} of at most {epoch.of}",
            epoch=epoch.number,
            fit_loss=epoch.fit_loss,
            stop_loss=epoch.stop_loss,
        )

    period = None if table.times is None else (table.times[0], table.times[-1])
    trained = train(
        TrainingSet(table.rows, table.columns, wanted.units, period),
        plan_training(wanted.kind, wanted.options, wanted.threshold, rows=len(table.rows)),
        # A cancelled job is told so by `progress`, and its process is ended.
        Hooks(OnnxResidualModel, on_epoch, lambda: False),
    )
    context.progress(_TRAINING_SHARE, "publishing")
    key = SigningKey.load_or_create(Path(place.signing_key_file))
    while True:
        try:
            return _publish(context, store, trained, wanted.name, key)
        except VersionTaken:
            log.info("version_taken", job=context.job_id, detector=wanted.name)


def _publish(context: JobContext, store: Store, trained: Trained, name: str, key: SigningKey) -> Mapping[str, JSON]:
    now = SystemClock().now()
    version = next_version(context.engine, name)
    bundle = store_detector(store, trained, name=name, version=str(version), created_at=rfc3339(now), key=key)
    result: dict[str, JSON] = {
        "detector": name,
        "version": version,
        "kind": trained.kind.value,
        "digest": bundle.digest,
        "threshold": trained.threshold.value,
    }

    def publish(connection: Connection) -> Mapping[str, JSON]:
        publish_version(
            connection,
            bundle,
            name=name,
            version=version,
            columns=trained.columns,
            card=detector_card(trained),
            job_id=context.job_id,
            at=now,
        )
        return result

    return context.commit(publish)


def main() -> None:
    """Work on trainings until told to stop."""
    settings = begin_worker(
        AnomalyWorkerSettings,
        lambda settings: [
            secret_file(settings.signing_key_file, "the key that signs bundles"),
            writable_folder(settings.cache_dir, "the cache"),
        ],
    )
    place = _Place(settings.store_url, str(settings.cache_dir), str(settings.signing_key_file))
    run_worker(
        settings,
        queue_name=QUEUE,
        handlers={TRAIN_JOB: "services.anomaly.worker:train_detector"},
        options=asdict(place),
    )


if __name__ == "__main__":
    main()
