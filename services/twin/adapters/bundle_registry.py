"""Publishing, activating and withdrawing versions: the database, the store and this replica in step."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import BinaryIO

from anyio import CapacityLimiter, to_thread

from services.twin.adapters.bundle_files import BundleFiles
from services.twin.adapters.model_catalogue import ModelCatalogue
from services.twin.adapters.onnx_model import ServedModel, model_card
from services.twin.adapters.sql_alert_rules import SqlAlertRules
from services.twin.adapters.sql_registry import Release, SqlRegistry
from services.twin.domain.alert_rules import AlertRules
from services.twin.domain.registry import ModelEntry, ModelMissing, ModelPage, ModelVersion, VersionState
from shared.clock import Clock
from shared.errors import JSON
from shared.log import get_logger

log = get_logger(__name__)


class BundleRegistry:
    """Implements `registry.ModelRegistry` and `alerting.AlertRuleStore`."""

    def __init__(
        self, *, sql: SqlRegistry, rules: SqlAlertRules, files: BundleFiles, catalogue: ModelCatalogue, clock: Clock
    ) -> None:
        self._sql, self._rules, self._files = sql, rules, files
        self._catalogue, self._clock = catalogue, clock
        # Checking and loading an upload takes a core for seconds: one at a time leaves the other to the requests.
        self._checker = CapacityLimiter(1)

    async def publish(self, archive: BinaryIO, *, user: str) -> ModelVersion:
        call = partial(self._publish, archive, user=user, now=self._clock.now())
        model, archive_digest, published = await to_thread.run_sync(call, limiter=self._checker)
        self._catalogue.keep(archive_digest, model)
        await self._catalogue.refresh()
        log.info("version_published", model=model.name, version=model.version, digest=model.digest, user=user)
        return published

    async def activate(self, model: str, version: str | None) -> ModelVersion:
        self._catalogue.refuse_built_in(model)
        if version is None:
            version = await to_thread.run_sync(self._sql.previous_version, model)
        # First loaded, then switched: a version that can no longer be served must not take the model down.
        await self._catalogue.load(await to_thread.run_sync(self._sql.archive_digest, model, version))
        activated = await to_thread.run_sync(self._sql.activate, model, version)
        await self._catalogue.refresh()
        log.info("version_activated", model=model, version=version)
        return activated

    async def withdraw(self, model: str, version: str) -> None:
        self._catalogue.refuse_built_in(model)
        await to_thread.run_sync(partial(self._sql.withdraw, model, version, now=self._clock.now()))
        await self._catalogue.refresh()
        log.info("version_withdrawn", model=model, version=version)

    async def page(self, *, limit: int, cursor: str | None) -> ModelPage:
        page = await to_thread.run_sync(partial(self._sql.page, limit=limit, cursor=cursor))
        built_in = self._built_in()
        # It comes last, since databases order names each in its own way; a name that the registry has too is its.
        full = page.next_cursor is not None
        if built_in is None or full or self._catalogue.is_published(built_in.model):
            return page
        if len(page.items) == limit:
            return ModelPage(page.items, page.items[-1].model)
        return ModelPage((*page.items, built_in), None)

    async def find(self, model: str) -> ModelEntry:
        try:
            return await to_thread.run_sync(self._sql.find, model)
        except ModelMissing:
            built_in = self._built_in()
            if built_in is None or built_in.model != model:
                raise
            return ModelEntry(built_in, (built_in,))

    async def check(self) -> None:
        await self._catalogue.check()

    def served(self) -> Sequence[tuple[str, str]]:
        return self._catalogue.served()

    async def get_rules(self, model: str) -> AlertRules | None:
        await self.find(model)
        return (await to_thread.run_sync(self._rules.all)).get(model)

    async def put_rules(self, model: str, rules: AlertRules) -> None:
        await self.find(model)
        await to_thread.run_sync(self._rules.put, model, rules)
        await self._catalogue.refresh()

    def _publish(self, archive: BinaryIO, *, user: str, now: datetime) -> tuple[ServedModel, str, ModelVersion]:
        with self._files.accepted(archive) as accepted:
            model = accepted.model
            release = Release(
                model=model.name,
                version=model.version,
                digest=model.digest,
                archive_digest=accepted.keep(),
                size_bytes=model.size_bytes,
                card=_published_card(model),
            )
            published = self._sql.publish(release, user=user, now=now)
            # The same content, withdrawn long ago, may have been swept away between the two steps before.
            accepted.keep()
        return model, release.archive_digest, published

    def _built_in(self) -> ModelVersion | None:
        model = self._catalogue.built_in
        if model is None:
            return None
        return ModelVersion(
            model=model.name,
            version=model.version,
            state=VersionState.ACTIVE,
            digest=model.digest,
            size_bytes=model.size_bytes,
            published_at=None,
            published_by=None,
            card=_published_card(model),
        )


def _published_card(model: ServedModel) -> Mapping[str, JSON]:
    """The card with what was measured here: a time measured on the packager's machine would not be true."""
    return {**model_card(model.manifest), "measured": {"row_us": round(model.row_us, 1)}}
