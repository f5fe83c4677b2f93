"""The worker that trains detectors and scores long tables. `python -m services.anomaly.worker [--config FILE]`.

torch is imported in the child process of a job that trains a network, and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from sqlalchemy import Connection

from services.anomaly.adapters.clean_up import forget_cached_files
from services.anomaly.adapters.detector_bundle import detector_card, served_detector
from services.anomaly.adapters.detector_store import DetectorStore, store_detector
from services.anomaly.adapters.job_orders import QUEUE
from services.anomaly.adapters.onnx_detector import OnnxResidualModel
from services.anomaly.adapters.sql_catalogue import SqlCatalogue, VersionTaken, next_version, publish_version
from services.anomaly.adapters.sql_health import add_health
from services.anomaly.adapters.sql_scores import add_scores, keep_scores
from services.anomaly.adapters.table_store import fetch_table
from services.anomaly.domain.alerts import RowsAsLists, alerts_of
from services.anomaly.domain.catalogue import Catalogue, DetectorMissing, Ready
from services.anomaly.domain.health_history import health_increments
from services.anomaly.domain.preparation_off import read_off_rule
from services.anomaly.domain.rows import column_order, times_us
from services.anomaly.domain.score_jobs import SCORE_JOB, score_in_blocks
from services.anomaly.domain.scoring import Scored, seen_of
from services.anomaly.domain.trained import Trained
from services.anomaly.domain.training_plan import plan_training
from services.anomaly.domain.training_requests import TRAIN_JOB, Promotion, Table
from services.anomaly.domain.version_comparison import compare
from services.anomaly.schemas.responses import ScoreJobResult, ScoreResponse
from services.anomaly.settings import AnomalyWorkerSettings
from services.anomaly.training.pipeline import Hooks, TrainingSet, train
from shared.clock import SystemClock, rfc3339
from shared.errors import JSON
from shared.events import EventsUnavailable, publish_alert
from shared.jobs import JobContext, begin_worker, run_worker
from shared.log import get_logger
from shared.onnx.signing import SigningKey, TrustStore
from shared.redis_client import async_client
from shared.retention import days
from shared.startup import secret_file, writable_folder
from shared.store import Store

if TYPE_CHECKING:
    from services.anomaly.training.beat import Progress
    from services.anomaly.training.fit import Epoch

log = get_logger(__name__)

# Training is what takes time; reading before it and publishing after it are given the rest of the progress.
_TRAINING_SHARE = 0.9
_SCORING_SHARE = 0.95
# A plant that was faulty all the time would make a file of gigabytes; a row has one contribution of each sensor.
_MOST_CONTRIBUTIONS = 1_000_000
_MOST_EXPLAINED_ROWS = 10_000


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
    promote: Promotion = Promotion.ALWAYS
    off: dict[str, JSON] | None = None

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> _Order:
        return cls(**{**payload, "promote": Promotion(payload.get("promote", Promotion.ALWAYS))})


@dataclass(frozen=True, slots=True)
class _Place:
    """Where this worker finds and leaves things; strings, because they travel to the child as JSON."""

    store_url: str
    cache_dir: str
    signing_key_file: str
    trust_dir: str
    redis_url: str
    cache_retention_days: int

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> _Place:
        """Read what the worker was configured with, and make room before a job brings new files."""
        place = cls(**options)
        if (kept := days(place.cache_retention_days)) is not None:
            forget_cached_files(Path(place.cache_dir), SystemClock().now() - kept)
        return place

    def catalogue(self, context: JobContext) -> SqlCatalogue:
        """The published detectors."""
        trust = TrustStore(Path(self.trust_dir))
        loaded = DetectorStore(Store(self.store_url), trust, cache_dir=Path(self.cache_dir), loaded_limit=1)
        return SqlCatalogue(context.engine, loaded)


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

    def on_progress(progress: Progress) -> None:
        context.progress(
            _TRAINING_SHARE * progress.share,
            f"epoch {progress.epoch} of at most {progress.of}, step {progress.step} of {progress.steps}",
            epoch=progress.epoch,
        )

    period = None if table.times is None else (table.times[0], table.times[-1])
    times = None if table.times is None else times_us(table.times)
    off = None if wanted.off is None else read_off_rule(wanted.off)
    trained = train(
        TrainingSet(table.rows, table.columns, wanted.units, period, times, off),
        plan_training(
            wanted.kind,
            wanted.options,
            wanted.threshold,
            rows=len(table.rows),
            sensors=len(table.columns),
            image_shape=table.image_shape,
        ),
        # A cancelled job is told so by `progress`, and its process is ended.
        Hooks(OnnxResidualModel, on_epoch, lambda: False, on_progress),
    )
    context.progress(_TRAINING_SHARE, "publishing")
    comparison = None
    if wanted.promote is not Promotion.ALWAYS:
        comparison = _compare(place.catalogue(context), wanted, trained, table)
    key = SigningKey.load_or_create(Path(place.signing_key_file))
    while True:
        try:
            return _publish(context, store, trained, name=wanted.name, key=key, comparison=comparison)
        except VersionTaken:
            log.info("version_taken", job=context.job_id, detector=wanted.name)


def _compare(catalogue: Catalogue, wanted: _Order, trained: Trained, table: Table) -> Mapping[str, JSON] | None:
    try:
        serving = catalogue.ready(wanted.name)
    except DetectorMissing:
        # Forgotten meanwhile: what was trained is then a first version.
        return None
    candidate = served_detector(trained)
    return compare(serving, Ready(candidate, candidate.threshold), table, promote=wanted.promote)


def _publish(
    context: JobContext,
    store: Store,
    trained: Trained,
    *,
    name: str,
    key: SigningKey,
    comparison: Mapping[str, JSON] | None,
) -> Mapping[str, JSON]:
    now = SystemClock().now()
    version = next_version(context.engine, name)
    promoted = comparison is None or comparison["promoted"] is True
    bundle = store_detector(store, trained, name=name, version=str(version), created_at=rfc3339(now), key=key)
    result: dict[str, JSON] = {
        "detector": name,
        "version": version,
        "kind": trained.kind.value,
        "digest": bundle.digest,
        "threshold": trained.threshold.value,
        "promoted": promoted,
        "comparison": comparison,
    }

    def publish(connection: Connection) -> Mapping[str, JSON]:
        publish_version(
            connection,
            bundle,
            name=name,
            version=version,
            columns=trained.columns,
            card={**detector_card(trained), **({} if comparison is None else {"comparison": comparison})},
            job_id=context.job_id,
            at=now,
            serve=promoted,
            by=context.owner,
        )
        return result

    return context.commit(publish)


def score_table(context: JobContext) -> Mapping[str, JSON]:
    """Handle a score job: score the kept rows, keep what was found, and raise alerts as a call would."""
    payload, place = cast("Mapping[str, Any]", context.payload), _Place.of(context.options)
    store, asset = Store(place.store_url), payload["asset"]
    context.progress(0.0, "reading the rows")
    ready = place.catalogue(context).ready(payload["detector"])
    columns = ready.detector.column_names
    # A version that was published since may know its sensors by other names.
    column_order(payload["columns"], columns)
    table = fetch_table(store, payload["table"], Path(place.cache_dir), columns)
    before = payload["context"]
    earlier = None if before is None else fetch_table(store, before, Path(place.cache_dir), columns)

    def on_rows(rows: int) -> None:
        share = rows / max(len(table.rows), 1)
        context.progress(_SCORING_SHARE * share, f"scored {rows} of {len(table.rows)} rows", rows=rows)

    scored = Scored(ready, table.rows, score_in_blocks(ready, table, earlier, on_rows), table.times)
    context.progress(_SCORING_SHARE, "writing the scores")
    explained_rows = min(_MOST_EXPLAINED_ROWS, _MOST_CONTRIBUTIONS // len(columns))
    response = ScoreResponse.of(scored, asset, most_explained_rows=explained_rows)
    digest = keep_scores(store, response.model_dump_json())
    now = SystemClock().now()

    def publish(connection: Connection) -> Mapping[str, JSON]:
        add_scores(connection, digest, job_id=context.job_id, asset=asset, owner=context.owner, at=now)
        if asset is not None:
            add_health(connection, health_increments(seen_of(scored, asset), now), now)
        result: Mapping[str, JSON] = ScoreJobResult.of(response, context.job_id).model_dump(mode="json")
        return result

    result = context.commit(publish)
    asyncio.run(_send_alerts(place.redis_url, scored, asset))
    return result


async def _send_alerts(redis_url: str, scored: Scored, asset: str | None) -> None:
    raised = alerts_of(
        scored.ready.detector,
        scored.detection,
        rows=RowsAsLists(scored.rows),
        times=scored.times,
        asset=asset,
        now=SystemClock().now(),
        new_id=lambda: uuid4().hex,
    )
    redis = async_client(redis_url)
    try:
        for alert in raised:
            await publish_alert(redis, alert)
    except EventsUnavailable as error:
        # The scores are published: a job is not undone for want of an alert.
        log.warning("alerts_lost", count=len(raised), reason=error.code)
    finally:
        await redis.aclose()


def main() -> None:
    """Work on trainings and score jobs until told to stop."""
    settings = begin_worker(
        AnomalyWorkerSettings,
        lambda settings: [
            secret_file(settings.signing_key_file, "the key that signs bundles"),
            writable_folder(settings.cache_dir, "the cache"),
        ],
    )
    place = _Place(
        settings.store_url,
        str(settings.cache_dir),
        str(settings.signing_key_file),
        str(settings.trust_dir),
        settings.redis_url.get_secret_value(),
        settings.cache_retention_days,
    )
    run_worker(
        settings,
        queue_name=QUEUE,
        handlers={
            TRAIN_JOB: "services.anomaly.worker:train_detector",
            SCORE_JOB: "services.anomaly.worker:score_table",
        },
        options=asdict(place),
    )


if __name__ == "__main__":
    main()
