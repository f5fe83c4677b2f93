"""Observations in the database, with the live states that were learned from them: both, or neither."""

import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from services.twin.adapters.tables import live_states, observations
from services.twin.domain.intervals import Outputs
from services.twin.domain.live_quality import Learner, LiveState, Measured, Verdict
from services.twin.domain.live_settings import REFERENCE_LEVEL, LiveSettings
from services.twin.domain.observations import to_ms
from services.twin.domain.observed import Comparison, Kept
from shared.database import read, take_turns, write
from shared.retention import delete_rows

VersionKey = tuple[str, str]
_Moment = tuple[str, str, int]

# Observations that one statement looks for: times and assets are asked for by themselves, and each pair costs a probe.
_ASKED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Change:
    """The live state of a version before and after a request, and the settings it learned by."""

    before: LiveState
    after: LiveState
    settings: LiveSettings


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the observations of one request.

    Parameters
    ----------
    kept
        For each observation, by version.
    changes
        By model and version; those without anything new are left out.
    """

    kept: tuple[Mapping[str, Kept], ...]
    changes: Mapping[VersionKey, Change]


class SqlObservations:
    """The tables of observations and live states; every method blocks, so call it in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, comparisons: Sequence[Comparison], *, user: str, received_at_ms: int) -> Recorded:
        """Learn from each observation in order, all of them or none.

        Raises
        ------
        DatabaseUnavailable
            If nothing can be written now.
        """
        with write(self._engine) as connection:
            take_turns(connection, {f"twin live {comparison.model}" for comparison in comparisons})
            recording = _Recording(connection, comparisons, user, received_at_ms)
            kept = tuple(recording.take(comparison) for comparison in comparisons)
            return Recorded(kept, recording.save())

    def state(self, model: str, version: str) -> LiveState:
        """The state of one version; an empty one before the first observation."""
        with read(self._engine) as connection:
            return _find_state(connection, (model, version))

    def mark(self) -> tuple[int, int]:
        """Differs from an earlier one if any state has changed in between."""
        with read(self._engine) as connection:
            row = connection.execute(select(func.count(), func.coalesce(func.sum(live_states.c.revision), 0))).one()
        return int(row[0]), int(row[1])

    def revisions(self) -> dict[VersionKey, int]:
        """The revision of every state."""
        with read(self._engine) as connection:
            rows = connection.execute(select(live_states.c.model, live_states.c.version, live_states.c.revision)).all()
        return {(row.model, row.version): row.revision for row in rows}

    def states(self, keys: Sequence[VersionKey]) -> dict[VersionKey, LiveState]:
        """The states of some versions, by version."""
        with read(self._engine) as connection:
            return {key: _find_state(connection, key) for key in keys}

    def remove(self, received_before: datetime) -> int:
        """Delete observations that were received before a moment; returns how many.

        What was learned from them stays.
        """
        old = observations.c.received_at_ms < to_ms(received_before)
        return delete_rows(self._engine, observations, old)


class _Recording:
    """One transaction: states and earlier rows as they are read, and new rows until they are written."""

    def __init__(
        self, connection: Connection, comparisons: Sequence[Comparison], user: str, received_at_ms: int
    ) -> None:
        self._connection, self._user, self._received_at_ms = connection, user, received_at_ms
        self._before: dict[VersionKey, LiveState] = {}
        self._states: dict[VersionKey, LiveState] = {}
        self._settings: dict[VersionKey, LiveSettings] = {}
        self._rows: list[dict[str, object]] = []
        # By model, asset and time: the group, and what is known of each version.
        self._known: dict[_Moment, tuple[int, dict[str, Kept]]] = {}
        self._read_known(comparisons)

    def take(self, comparison: Comparison) -> Mapping[str, Kept]:
        """Learn from one observation, unless it is known."""
        group = secrets.randbits(63)
        known: dict[str, Kept] = {}
        if comparison.timed:
            moment = (comparison.model, comparison.asset, comparison.observed_at_ms)
            group, known = self._known.setdefault(moment, (group, known))
        kept: dict[str, Kept] = {}
        for version, (learner, outputs) in comparison.versions.items():
            if version in known:
                kept[version] = known[version]
                continue
            verdict = self._learn(comparison, version, learner, outputs)
            kept[version] = Kept(comparison.actual, comparison.observed_at_ms, verdict, duplicate=False)
            known[version] = replace(kept[version], duplicate=True)
            self._rows.append(self._row(comparison, version, group, verdict))
        return kept

    def save(self) -> dict[VersionKey, Change]:
        """Write the new rows and the states that changed."""
        if self._rows:
            self._connection.execute(insert(observations), self._rows)
        changes = {}
        for key, after in self._states.items():
            values = {"state": after.to_json(), "revision": after.revision, "updated_at_ms": self._received_at_ms}
            if self._before[key].revision:
                self._connection.execute(update(live_states).where(_is(key)).values(values))
            else:
                self._connection.execute(insert(live_states).values(model=key[0], version=key[1], **values))
            changes[key] = Change(self._before[key], after, self._settings[key])
        return changes

    def _learn(self, comparison: Comparison, version: str, learner: Learner, outputs: Outputs) -> Verdict:
        key = (comparison.model, version)
        if key not in self._states:
            self._before[key] = self._states[key] = _find_state(self._connection, key)
            self._settings[key] = learner.settings
        measured = Measured(outputs, comparison.actual, comparison.observed_at_ms, self._received_at_ms)
        self._states[key], verdict = self._states[key].observe(measured, learner)
        return verdict

    def _row(self, comparison: Comparison, version: str, group: int, verdict: Verdict) -> dict[str, object]:
        return {
            "group_id": group,
            "model": comparison.model,
            "version": version,
            "asset": comparison.asset,
            "observed_at_ms": comparison.observed_at_ms,
            "untimed_id": 0 if comparison.timed else group,
            "received_at_ms": self._received_at_ms,
            "actual": comparison.actual,
            "prediction": verdict.prediction,
            "lower": verdict.lower,
            "upper": verdict.upper,
            "level": REFERENCE_LEVEL,
            "covered": verdict.covered,
            "learned": verdict.learned,
            "user": self._user,
        }

    def _read_known(self, comparisons: Sequence[Comparison]) -> None:
        asked: dict[str, set[tuple[int, str]]] = defaultdict(set)
        for comparison in comparisons:
            if comparison.timed:
                asked[comparison.model].add((comparison.observed_at_ms, comparison.asset))
        for model, moments in asked.items():
            ordered = sorted(moments)
            for start in range(0, len(ordered), _ASKED_AT_ONCE):
                times_ms, assets = zip(*ordered[start : start + _ASKED_AT_ONCE], strict=True)
                query = select(observations).where(
                    observations.c.model == model,
                    observations.c.observed_at_ms.in_(set(times_ms)),
                    # A plant measures everything at the same time: thousands of others may share the moment.
                    observations.c.asset.in_(set(assets)),
                    observations.c.untimed_id == 0,
                )
                for row in self._connection.execute(query):
                    moment = (model, row.asset, row.observed_at_ms)
                    _, known = self._known.setdefault(moment, (row.group_id, {}))
                    known[row.version] = _kept(row)


def _is(key: VersionKey) -> Any:
    return (live_states.c.model == key[0]) & (live_states.c.version == key[1])


def _find_state(connection: Connection, key: VersionKey) -> LiveState:
    row = connection.execute(select(live_states.c.state, live_states.c.revision).where(_is(key))).one_or_none()
    return LiveState() if row is None else LiveState.of(row.state, row.revision)


def _kept(row: Row[Any]) -> Kept:
    verdict = Verdict(
        row.prediction, row.lower, row.upper, row.actual - row.prediction, covered=row.covered, learned=row.learned
    )
    return Kept(row.actual, row.observed_at_ms, verdict, duplicate=True)
