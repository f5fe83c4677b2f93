"""The use case behind observations: compare each with what was predicted, learn from it, and tell how good it is."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np

from services.twin.domain.features import InputsInvalid, QualityBad
from services.twin.domain.intervals import Outputs
from services.twin.domain.live_quality import Learner
from services.twin.domain.observations import (
    Envelope,
    ObservationInvalid,
    TooManyObservations,
    from_ms,
    read_envelope,
    to_ms,
)
from services.twin.domain.observed import (
    Comparison,
    Kept,
    LiveModel,
    LiveModels,
    LiveRecords,
    Observed,
    ObservedVersions,
    Outcome,
    Quality,
    is_comparable,
)
from services.twin.domain.prediction import PredictionNotFinite
from services.twin.domain.serving import WorkPool
from shared.clock import Clock
from shared.errors import JSON, AppError, Fault, Kind


@dataclass(frozen=True, slots=True)
class _Readable:
    """An observation whose inputs its model takes."""

    index: int
    envelope: Envelope
    model: LiveModel
    values: Sequence[float]

    @property
    def version(self) -> str:
        return self.model.version


_Key: TypeAlias = tuple[str, str]


class Observer:
    """Takes observations and tells what they say about each version.

    Parameters
    ----------
    limit_rows
        Most observations of one request.
    """

    def __init__(
        self,
        *,
        models: LiveModels,
        versions: ObservedVersions,
        records: LiveRecords,
        pool: WorkPool,
        clock: Clock,
        limit_rows: int,
    ) -> None:
        self._models, self._versions, self._records, self._pool = models, versions, records, pool
        self._clock, self._limit_rows = clock, limit_rows

    async def observe(self, document: JSON, *, user: str) -> Observed:
        """Take one observation.

        Raises
        ------
        ObservationInvalid
            If it cannot be used; every fault is listed, those of its inputs too.
        QualityBad
            If it is well formed and the source calls an input Bad: nothing is learned from such a row.
        ModelMissing, ModelUnnamed, VersionMissing, PredictionNotFinite
            If there is nothing to compare it with.
        DatabaseUnavailable
            If it cannot be kept now.
        """
        (outcome,) = await self._observe([(document, "")], user)
        if isinstance(outcome, AppError):
            raise outcome
        return outcome

    async def observe_many(self, documents: Sequence[JSON], pointer: str, *, user: str) -> list[Outcome]:
        """Take many, each by itself: for each, in order, what was found or why it cannot be used.

        They are learned from in the order of their measurement, in one transaction.

        Parameters
        ----------
        pointer
            JSON pointer to the list in the body.

        Raises
        ------
        TooManyObservations
            If there are more than one request may hold.
        DatabaseUnavailable
            If they cannot be kept now; nothing was learned, and all may be sent again.
        """
        if len(documents) > self._limit_rows:
            raise TooManyObservations(limit_rows=self._limit_rows, rows=len(documents))
        return await self._observe([(document, f"{pointer}/{i}") for i, document in enumerate(documents)], user)

    async def quality(self, model: str, version: str | None) -> Quality:
        """How good a version is, the active one if none is named; raises as `observe`."""
        found = await self._find(model, version)
        state = await self._records.state(found.name, found.version)
        return Quality(found.name, found.version, found.unit, found.live, found.expectation, state)

    async def _observe(self, documents: Sequence[tuple[JSON, str]], user: str) -> list[Outcome]:
        now = self._clock.now()
        outcomes: dict[int, Outcome] = {}
        readable: list[_Readable] = []
        for index, (document, pointer) in enumerate(documents):
            try:
                readable.append(await self._read(index, document, pointer, now))
            except AppError as error:
                if error.kind is Kind.UNAVAILABLE:
                    raise
                outcomes[index] = error
        learnable, comparisons = await self._compare(readable, to_ms(now), outcomes)
        if comparisons:
            kept = await self._records.record(comparisons, user=user, received_at_ms=to_ms(now))
            for one, by_version in zip(learnable, kept, strict=True):
                outcomes[one.index] = _observed(one, by_version[one.version])
        return [outcomes[index] for index in range(len(documents))]

    async def _read(self, index: int, document: JSON, pointer: str, now: datetime) -> _Readable:
        envelope = read_envelope(document, pointer, now=now)
        faults = list(envelope.faults)
        if any(fault.pointer in {f"{pointer}/model", f"{pointer}/version"} for fault in faults):
            raise ObservationInvalid(faults)
        model = await self._models.get(envelope.model)
        if envelope.version is not None and envelope.version != model.version:
            model = await self._models.get_version(model.name, envelope.version)
        if envelope.unit is not None and envelope.unit != model.unit:
            known: dict[str, JSON] = {"unit": model.unit}
            faults.append(Fault(f"{pointer}/unit", f"{model.name!r} predicts in {model.unit or 'no unit'}", known))
        values: Sequence[float] = ()
        if isinstance(document, Mapping) and isinstance(document.get("inputs"), Mapping):
            try:
                values = model.reader.read(envelope.inputs, f"{pointer}/inputs")
            except QualityBad as error:
                if not faults:
                    raise
                faults += error.faults
            except InputsInvalid as error:
                faults += error.faults
        if faults:
            raise ObservationInvalid(faults)
        return _Readable(index, envelope, model, values)

    async def _compare(
        self, readable: Sequence[_Readable], now_ms: int, outcomes: dict[int, Outcome]
    ) -> tuple[list[_Readable], list[Comparison]]:
        """Compute what every version says, oldest measurement first; what cannot be compared goes into `outcomes`."""
        groups: dict[_Key, list[_Readable]] = defaultdict(list)
        for one in readable:
            for version in {one.version, *self._versions.versions(one.model.name)}:
                groups[one.model.name, version].append(one)
        found: dict[int, dict[str, tuple[Learner, Outputs]]] = defaultdict(dict)
        for (name, version), members in groups.items():
            try:
                model = await self._version_of(name, version, members)
                computed = await self._compute(model, members)
            except AppError:
                if any(one.version == version for one in members):
                    raise
                # Another version of the experiment may be withdrawn or fail at any time: the others go on learning.
                continue
            for one, outputs in computed:
                found[one.index][version] = (Learner(model.live, model.calibration), outputs)
        learnable = []
        for one in sorted(readable, key=lambda one: _observed_at_ms(one, now_ms)):
            if one.version in found[one.index]:
                learnable.append(one)
            else:
                outcomes[one.index] = PredictionNotFinite(one.model.name)
        comparisons = [
            Comparison(
                model=one.model.name,
                asset=one.envelope.asset or "",
                actual=one.envelope.actual,
                observed_at_ms=_observed_at_ms(one, now_ms),
                timed=one.envelope.observed_at_ms is not None,
                versions=found[one.index],
            )
            for one in learnable
        ]
        return learnable, comparisons

    async def _version_of(self, name: str, version: str, members: Sequence[_Readable]) -> LiveModel:
        for one in members:
            if one.version == version:
                return one.model
        return await self._models.get_version(name, version)

    async def _compute(self, model: LiveModel, members: Sequence[_Readable]) -> list[tuple[_Readable, Outputs]]:
        """What a version says about the rows that it takes; those without a finite answer are left out."""
        taken: list[_Readable] = []
        values: list[Sequence[float]] = []
        for one in members:
            try:
                values.append(one.values if model.version == one.version else model.reader.read(one.envelope.inputs))
            except (InputsInvalid, QualityBad):
                # Another version may have other features or ranges.
                continue
            taken.append(one)
        if not taken:
            return []
        rows = np.array(values)
        outputs = await self._pool.run(lambda: model.compute(rows), owner=model.digest)
        by_row = [(one, _row(outputs, place)) for place, one in enumerate(taken)]
        return [(one, row) for one, row in by_row if is_comparable(row)]

    async def _find(self, model: str, version: str | None) -> LiveModel:
        found = await self._models.get(model)
        return found if version is None or version == found.version else await self._models.get_version(model, version)


def _observed_at_ms(one: _Readable, now_ms: int) -> int:
    return now_ms if one.envelope.observed_at_ms is None else one.envelope.observed_at_ms


def _row(outputs: Outputs, place: int) -> Outputs:
    """One row of the outputs, as outputs."""
    part = slice(place, place + 1)
    return Outputs(
        outputs.prediction[part],
        None if outputs.spread is None else outputs.spread[part],
        None if outputs.lower_quantile is None else outputs.lower_quantile[part],
        None if outputs.upper_quantile is None else outputs.upper_quantile[part],
    )


def _observed(one: _Readable, kept: Kept) -> Observed:
    return Observed(
        model=one.model.name,
        version=one.version,
        unit=one.model.unit,
        asset=one.envelope.asset,
        observed_at=from_ms(kept.observed_at_ms),
        actual=kept.actual,
        verdict=kept.verdict,
        duplicate=kept.duplicate,
    )
