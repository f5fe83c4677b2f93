"""The catalogue on each kind of database."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Engine

from services.anomaly.adapters.detector_bundle import detector_card
from services.anomaly.adapters.detector_store import DetectorStore, store_detector
from services.anomaly.adapters.onnx_detector import OnnxResidualModel
from services.anomaly.adapters.sql_catalogue import SqlCatalogue, VersionTaken, next_version, publish_version
from services.anomaly.adapters.tables import HISTORY, SCRIPTS
from services.anomaly.domain.catalogue import DetectorMissing
from services.anomaly.domain.thresholds import Margin, Value
from services.anomaly.domain.trained import Trained
from services.anomaly.domain.training_plan import plan_training
from services.anomaly.training.pipeline import Hooks, TrainingSet, train
from shared.database import migrate, open_engine, write
from shared.onnx.signing import SigningKey, TrustStore
from shared.store import Store
from tests.integration.anomaly.site import COLUMNS, plant

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def pump() -> Trained:
    rows = plant(400)
    hooks = Hooks(OnnxResidualModel, lambda _: None, lambda: False)
    return train(TrainingSet(rows, tuple(COLUMNS), {}), plan_training("auto", {}, None, rows=len(rows)), hooks)


class Shelf:
    """A catalogue with its store and the key it publishes with."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.store = Store((folder / "store").as_uri())
        self.key = SigningKey.load_or_create(folder / "signing.pem")
        trust = TrustStore(folder / "trust")
        trust.enrol(self.key.public_pem())
        self.loaded = DetectorStore(self.store, trust, cache_dir=folder / "cache", loaded_limit=1)
        self.catalogue = SqlCatalogue(engine, self.loaded)

    def publish(self, name: str, trained: Trained, *, version: int) -> None:
        bundle = store_detector(
            self.store, trained, name=name, version=str(version), created_at="2026-04-01T00:00:00Z", key=self.key
        )
        with write(self.engine) as connection:
            publish_version(
                connection,
                bundle,
                name=name,
                version=version,
                columns=trained.columns,
                card=detector_card(trained),
                job_id="job",
                at=NOW,
            )


@pytest.fixture
def shelf(database_url: str, tmp_path: Path) -> Iterator[Shelf]:
    migrate(database_url, HISTORY, SCRIPTS)
    engine = open_engine(database_url)
    yield Shelf(engine, tmp_path)
    engine.dispose()


def test_newest_version_serves_with_its_own_limit(shelf: Shelf):
    trained = pump()
    shelf.publish("pump", trained, version=1)
    first = shelf.catalogue.ready("pump")
    shelf.catalogue.set_threshold(first, Value(3.0).settle(trained.held_out), by="ada", at=NOW)
    assert shelf.catalogue.ready("pump").threshold.value == 3.0
    assert next_version(shelf.engine, "pump") == 2
    shelf.publish("pump", replace(trained, threshold=Margin(2.0).settle(trained.held_out)), version=2)
    entry = shelf.catalogue.entry("pump")
    assert [version.version for version in entry.versions] == [1, 2]
    assert shelf.catalogue.ready("pump").threshold.value == entry.threshold.value != 3.0
    assert entry.threshold_set_by is None


def test_version_that_another_training_took_is_refused(shelf: Shelf):
    shelf.publish("pump", pump(), version=1)
    with pytest.raises(VersionTaken):
        shelf.publish("pump", pump(), version=1)
    assert len(shelf.catalogue.entry("pump").versions) == 1


def test_limit_is_not_set_on_a_detector_that_was_forgotten_meanwhile(shelf: Shelf):
    trained = pump()
    shelf.publish("pump", trained, version=1)
    ready = shelf.catalogue.ready("pump")
    shelf.catalogue.delete("pump")
    with pytest.raises(DetectorMissing):
        shelf.catalogue.set_threshold(ready, trained.threshold, by="ada", at=NOW)
    with pytest.raises(DetectorMissing):
        shelf.catalogue.delete("pump")


def test_detector_that_is_forgotten_while_a_version_is_published_leaves_nothing_behind(shelf: Shelf):
    trained = pump()
    shelf.publish("pump", trained, version=1)
    bundle = store_detector(
        shelf.store, trained, name="pump", version="2", created_at="2026-04-01T00:00:00Z", key=shelf.key
    )
    forgetting = Thread(target=shelf.catalogue.delete, args=("pump",))
    with write(shelf.engine) as connection:
        publish_version(
            connection,
            bundle,
            name="pump",
            version=2,
            columns=trained.columns,
            card=detector_card(trained),
            job_id="job",
            at=NOW,
        )
        forgetting.start()
        forgetting.join(0.5)
        assert forgetting.is_alive(), "it did not wait"
    forgetting.join()
    with pytest.raises(DetectorMissing):
        shelf.catalogue.entry("pump")
    shelf.publish("pump", trained, version=1)
    assert shelf.catalogue.entry("pump").serving == 1


def test_pages_follow_one_another_without_a_gap(shelf: Shelf):
    trained = pump()
    for name in ("b", "A", "a", "c-1"):
        shelf.publish(name, trained, version=1)
    names: list[str] = []
    cursor: str | None = None
    while True:
        page = shelf.catalogue.page(limit=1, cursor=cursor)
        names += [entry.name for entry in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert sorted(names) == ["A", "a", "b", "c-1"]


def test_only_as_many_detectors_stay_loaded_as_are_allowed(shelf: Shelf):
    trained = pump()
    for name in ("a", "b"):
        shelf.publish(name, trained, version=1)
        shelf.catalogue.ready(name)
    assert shelf.loaded.loaded == 1
    assert shelf.catalogue.ready("a").detector.name == "a"
