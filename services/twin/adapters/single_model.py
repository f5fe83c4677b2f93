"""The one model of a twin on its own, in the place of a registry."""

from collections.abc import Sequence
from typing import BinaryIO

from services.twin.adapters.onnx_model import ServedModel, model_card
from services.twin.domain.alert_rules import AlertRules
from services.twin.domain.registry import (
    ModelBuiltIn,
    ModelEntry,
    ModelMissing,
    ModelPage,
    ModelVersion,
    VersionMissing,
    VersionState,
)


class SingleModel:
    """Stands in for all that knows models: nothing can be published or switched, alert rules last as the process does.

    Implements `serving.Models`, `registry.ModelRegistry`, `observed.ObservedVersions`, `alerting.AlertRuleStore` and
    `alerting.RuleBook`.
    """

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._rules: AlertRules | None = None
        self.version = ModelVersion(
            model=model.name,
            version=model.version,
            state=VersionState.ACTIVE,
            digest=model.digest,
            size_bytes=model.size_bytes,
            published_at=None,
            published_by=None,
            card={**model_card(model.manifest), "measured": {"row_us": round(model.row_us, 1)}},
        )

    async def get(self, name: str | None) -> ServedModel:
        if name is not None and name != self._model.name:
            raise ModelMissing(name)
        return self._model

    async def get_version(self, name: str, version: str) -> ServedModel:
        model = await self.get(name)
        if version != model.version:
            raise VersionMissing(name, version)
        return model

    async def publish(self, archive: BinaryIO, *, user: str) -> ModelVersion:  # noqa: ARG002 (of the protocol)
        raise ModelBuiltIn(self._model.name)

    async def activate(self, model: str, version: str | None) -> ModelVersion:  # noqa: ARG002 (of the protocol)
        await self.get(model)
        raise ModelBuiltIn(model)

    async def withdraw(self, model: str, version: str) -> None:
        await self.get_version(model, version)
        raise ModelBuiltIn(model)

    async def page(self, *, limit: int, cursor: str | None) -> ModelPage:  # noqa: ARG002 (of the protocol)
        comes = cursor is None or cursor < self._model.name
        return ModelPage((self.version,) if comes else (), None)

    async def find(self, model: str) -> ModelEntry:
        await self.get(model)
        return ModelEntry(self.version, (self.version,))

    async def check(self) -> None:
        """Nothing can be unknown."""

    def served(self) -> Sequence[tuple[str, str]]:
        return [(self._model.name, self._model.version)]

    def versions(self, model: str) -> tuple[str, ...]:  # noqa: ARG002 (of the protocol)
        """None besides the one that there is."""
        return ()

    def rules_of(self, model: str) -> AlertRules | None:  # noqa: ARG002 (of the protocol)
        return self._rules

    async def get_rules(self, model: str) -> AlertRules | None:
        await self.get(model)
        return self._rules

    async def put_rules(self, model: str, rules: AlertRules) -> None:
        await self.get(model)
        self._rules = rules
