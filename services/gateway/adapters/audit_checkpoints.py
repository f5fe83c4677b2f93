"""Signs the audit chain now and then, after reading what was added since the last time.

A process remembers how far it has read. So it notices, at the latest with its next look, when the chain it knows was
rewritten or an older copy of the database was put in its place, and it never signs over that.
"""

import asyncio

from anyio import to_thread
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import Connection, Engine, select

from services.gateway.adapters.audit_rows import (
    lock_head,
    place_in,
    read_entries,
    read_head,
    read_slice,
    read_start,
)
from services.gateway.adapters.tables import audit_entries
from services.gateway.domain.audit import Action, Head, clip_moment, digest_after
from services.gateway.domain.audit_seals import Sealer, SealJudge, SealKind, Trust, event_of, seal_in
from services.gateway.domain.audit_verification import ChainReader, Progress, Verification
from shared.clock import Clock
from shared.database import read, write
from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)

EVERY_ENTRIES = 1_000
EVERY_S = 300.0
_LOOK_S = 5.0
_READ_AT_ONCE = 500


class Checkpoints:
    """Verifies what is added to the chain, and signs it.

    Parameters
    ----------
    every_entries, every_s
        A checkpoint is written after so many entries, and so long after the last one if there are any [s].
    """

    def __init__(
        self,
        engine: Engine,
        sealer: Sealer,
        judge: SealJudge,
        clock: Clock,
        registry: CollectorRegistry,
        *,
        every_entries: int = EVERY_ENTRIES,
        every_s: float = EVERY_S,
    ) -> None:
        self._engine = engine
        self._sealer = sealer
        self._judge = judge
        self._clock = clock
        self._every_entries = every_entries
        self._every_s = every_s
        self._progress: Progress | None = None
        self._signed_at_s = clock.monotonic_s()
        self._intact = Gauge(
            "futago_gateway_audit_intact", "0 once the audit trail was found tampered with, else 1", registry=registry
        )
        self._intact.set(1)

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            try:
                await to_thread.run_sync(self.look)
            except AppError as error:
                log.warning("audit_checkpoint_waits", code=error.code)
            await asyncio.sleep(_LOOK_S)

    def look(self) -> bool:
        """Read what is new, and sign it if it is time; false if the chain is broken."""
        progress = self._read()
        if progress is None:
            return False
        if self._progress is None or progress.signed_up_to != self._progress.signed_up_to:
            self._signed_at_s = self._clock.monotonic_s()
        self._progress = progress
        # A checkpoint signs the place before its own: with nothing behind it, there is nothing to sign.
        unsigned = progress.head.sequence - progress.signed_up_to - 1
        overdue = self._clock.monotonic_s() - self._signed_at_s >= self._every_s
        return self._sign() if unsigned >= self._every_entries or (unsigned > 0 and overdue) else True

    def _read(self) -> Progress | None:
        with read(self._engine) as connection:
            reader = self._reader(connection)
            return self._read_up_to(reader, connection, read_head(connection))

    def _sign(self) -> bool:
        with write(self._engine) as connection:
            head = lock_head(connection)
            reader = ChainReader(self._judge, start=read_start(connection), progress=self._progress)
            progress = self._read_up_to(reader, connection, head)
            if progress is None:
                return False
            if progress.signed_up_to + 1 < progress.head.sequence:
                seal = self._sealer.seal(SealKind.CHECKPOINT, head, clip_moment(self._clock.now()))
                place_in(connection, head, [event_of(seal)])
        return True

    def _reader(self, connection: Connection) -> ChainReader:
        start = read_start(connection)
        progress = self._progress or self._last_checkpoint(connection)
        if progress is not None and start is not None and progress.head.sequence < start.head.sequence:
            progress = None
        return ChainReader(self._judge, start=start, progress=progress)

    def _last_checkpoint(self, connection: Connection) -> Progress | None:
        query = select(audit_entries).where(audit_entries.c.action == Action.CHECKPOINT.value)
        found = read_entries(connection, query.order_by(audit_entries.c.sequence.desc()).limit(1))
        if not found:
            return None
        (entry,) = found
        seal = seal_in(entry.event)
        if seal is None or self._judge.judge(seal) is not Trust.GENUINE:
            return None
        if seal.head.sequence + 1 != entry.sequence or digest_after(seal.head, entry.event) != entry.digest:
            return None
        return Progress(Head(entry.sequence, entry.digest), signed_up_to=seal.head.sequence)

    def _read_up_to(self, reader: ChainReader, connection: Connection, head: Head) -> Progress | None:
        while entries := read_slice(connection, reader.progress.head.sequence, head.sequence, _READ_AT_ONCE):
            if not reader.read(entries):
                break
        found = reader.so_far()
        if found.intact and reader.progress.head == head:
            self._intact.set(1)
            return reader.progress
        self._alarm(found, head)
        return None

    def _alarm(self, found: Verification, head: Head) -> None:
        self._intact.set(0)
        log.error(
            "audit_trail_broken",
            first_bad_sequence=found.first_bad_sequence or head.sequence + 1,
            reason=found.reason or "the head is not where the chain ends: it was put back, or the newest are missing",
        )
