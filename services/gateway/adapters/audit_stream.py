"""The Redis stream that carries accesses from every replica to the audit chain.

A batch in the stream outlives the process that put it there. One replica at a time writes the chain, so that
transactions do not queue for its lock; when that replica dies, another takes over. A message is taken out of the
stream after its batch is in the chain. Delivered twice, it is written once: the names of written batches are kept by
the same transaction as the entries, which a consumer group's pending list could not promise.
"""

import asyncio
import secrets
from typing import Any

from anyio import to_thread
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.domain.audit_batches import Batch, batch_json, batch_of, unreadable
from shared.back_off import BackOff
from shared.clock import Clock
from shared.contracts.fields import PayloadInvalid, parse
from shared.errors import AppError
from shared.events import BLOCK_S, PAYLOAD, event_text
from shared.log import get_logger

STREAM = "futago:audit:accesses"
WRITER = "futago:audit:writer"
# Batches of 500 events of some 250 bytes: 125 MB if all are full. What does not fit goes straight to the database.
STREAM_BATCHES = 1_000

_TAKEN_AT_ONCE = 8
# What comes in the next moment shares a transaction: one for each batch costs more than what stands in it.
_GATHER_S = 0.2
# A writer that died is replaced after this time; one that lives has renewed the lease before.
_LEASE_MS, _RENEW_S = 8_000, 2.0
_STAND_BY_S = 1.0
# How long a stream that did not answer is left alone.
_AVOID_S = 1.0

# One round trip: the stream never grows over its bound, and nothing that was not yet written is cut off.
_PUSH = """
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('XADD', KEYS[1], '*', ARGV[2], ARGV[3])
return 1
"""
_LEASE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"

log = get_logger(__name__)


class AuditStream:
    """Both ends of the stream in one process.

    Parameters
    ----------
    redis
        For what is answered at once.
    waiting_redis
        A client made by `async_waiting_client(url, wait_s=BLOCK_S)`.
    """

    def __init__(self, redis: Redis, waiting_redis: Redis, chain: SqlAudit, clock: Clock) -> None:
        self._redis = redis
        self._waiting_redis = waiting_redis
        self._chain = chain
        self._clock = clock
        self._name = secrets.token_hex(8)
        self._avoid_until_s = self._renew_at_s = clock.monotonic_s()

    async def deliver(self, batch: Batch) -> None:
        """Put a batch into the stream; where that is not possible, write it to the chain.

        Raises
        ------
        DatabaseUnavailable, AuditTrailBroken
            If neither is possible.
        """
        if not await self._push(batch):
            # Where the answer was lost it may stand in the stream all the same: its name keeps it from counting twice.
            await self._write([batch])

    async def run(self) -> None:
        """Write what stands in the stream, until cancelled; while Redis or the database is away, wait for it."""
        back_off = BackOff()
        try:
            while True:
                try:
                    await self._take_turn()
                    back_off.reset()
                except (AppError, RedisError) as error:
                    log.warning("audit_stream_waits", error=type(error).__name__)
                    await back_off.pause()
        finally:
            await self._release()

    async def drain(self) -> None:
        """Write what stands in the stream now; what cannot be written stays there for the others."""
        try:
            newest: Any = await self._redis.xrevrange(STREAM, count=1)
            while newest:
                # No further than it stood at the beginning: what others add meanwhile is theirs to write.
                messages: Any = await self._redis.xrange(STREAM, max=newest[0][0], count=_TAKEN_AT_ONCE)
                if not messages:
                    return
                await self._take(messages)
        except (AppError, RedisError) as error:
            log.warning("audit_left_in_stream", error=type(error).__name__)

    async def _push(self, batch: Batch) -> bool:
        if self._clock.monotonic_s() < self._avoid_until_s:
            return False
        payload = event_text(batch_json(batch))
        try:
            pushed: Any = await self._redis.eval(_PUSH, 1, STREAM, STREAM_BATCHES, PAYLOAD, payload)
        except RedisError as error:
            self._avoid_until_s = self._clock.monotonic_s() + _AVOID_S
            log.warning("audit_stream_avoided", error=type(error).__name__)
            return False
        return bool(pushed)

    async def _take_turn(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s >= self._renew_at_s:
            if not await self._redis.eval(_LEASE, 1, WRITER, self._name, _LEASE_MS):
                await asyncio.sleep(_STAND_BY_S)
                return
            self._renew_at_s = now_s + _RENEW_S
        answer: Any = await self._waiting_redis.xread({STREAM: "0"}, count=_TAKEN_AT_ONCE, block=round(BLOCK_S * 1000))
        for _, messages in answer or ():
            await self._take(messages)
            if len(messages) < _TAKEN_AT_ONCE:
                await asyncio.sleep(_GATHER_S)

    async def _take(self, messages: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        await self._write([self._read(message_id, fields) for message_id, fields in messages])
        await self._redis.xdel(STREAM, *(message_id for message_id, _ in messages))

    def _read(self, message_id: bytes, fields: dict[bytes, bytes]) -> Batch:
        try:
            return batch_of(parse(fields.get(PAYLOAD, b"")))
        except PayloadInvalid as error:
            # Of another release, or not ours. It must not stop what stands behind it, nor vanish without a trace.
            log.exception("audit_message_unreadable", message_id=message_id.decode(), reason=str(error))
            return Batch(message_id.decode(), (unreadable(message_id.decode(), self._clock.now()),))

    async def _write(self, batches: list[Batch]) -> None:
        await to_thread.run_sync(self._chain.append_batches, batches, self._clock.now())

    async def _release(self) -> None:
        # The next process need not wait for the lease to run out.
        try:
            await self._redis.eval(_RELEASE, 1, WRITER, self._name)
        except RedisError:
            log.info("audit_lease_left")
