"""Tells people of alerts: beside the requests, in a thread, until every destination has them."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from anyio import CapacityLimiter, to_thread
from prometheus_client import CollectorRegistry, Counter

from services.gateway.adapters.sql_notices import SqlNotices
from services.gateway.domain.notifications import Notice, bundle
from shared.clock import Clock
from shared.errors import AppError
from shared.log import get_logger
from shared.notify import Destination, Message

log = get_logger(__name__)

_LOOK_EVERY_S = 2.0


class AlertNotifier:
    """Delivers what is due, at least once.

    A process that dies between a delivery and the note of it delivers again after the lease: better told twice than
    never.

    Parameters
    ----------
    give_up_after_s
        An alert that could not be delivered for so long is dropped [s].
    """

    def __init__(
        self,
        *,
        notices: SqlNotices,
        destinations: Sequence[Destination],
        give_up_after_s: float,
        clock: Clock,
        metrics: CollectorRegistry,
    ) -> None:
        self._notices, self._destinations, self._clock = notices, destinations, clock
        self._give_up_after = timedelta(seconds=give_up_after_s)
        # One message at a time: a destination that hangs costs one thread, and not the ones that requests need.
        self._sender = CapacityLimiter(1)
        self._outcomes = Counter(
            "futago_gateway_notifications", "Messages to people by what became of them", ("outcome",), registry=metrics
        )
        for outcome in ("sent", "failed", "dropped"):
            self._outcomes.labels(outcome)

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            try:
                await self.deliver()
            except AppError as error:
                log.warning("notifications_wait", code=error.code)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def deliver(self) -> None:
        """Send what is due.

        Raises
        ------
        DatabaseUnavailable
            If that cannot be known; nothing is lost by it.
        """
        dropped = await self._notices.drop_older(self._clock.now() - self._give_up_after)
        if dropped:
            self._outcomes.labels("dropped").inc(dropped)
            log.error("notifications_dropped", alerts=dropped)
        for notice in bundle(await self._notices.claim(now=self._clock.now())):
            await self._deliver(notice)

    async def _deliver(self, notice: Notice) -> None:
        reached = set(notice.reached)
        for destination in self._destinations:
            if destination.label not in reached and await self._sent(destination, notice):
                reached.add(destination.label)
        if all(destination.label in reached for destination in self._destinations):
            await self._notices.delivered(notice.alerts, now=self._clock.now())
            return
        await self._notices.postpone(
            notice.alerts, attempts=notice.attempts + 1, reached=frozenset(reached), now=self._clock.now()
        )

    async def _sent(self, destination: Destination, notice: Notice) -> bool:
        message = Message(notice.title, notice.body, notice.severity)
        try:
            taken = await to_thread.run_sync(destination.send, message, limiter=self._sender, abandon_on_cancel=True)
        except Exception as error:  # noqa: BLE001 (one destination's bug must not keep the others uninformed)
            # By its type alone: what such an error says may hold the URL, and with it the secret.
            log.error("notification_broken", destination=destination.label, error=type(error).__name__)  # noqa: TRY400
            taken = False
        self._outcomes.labels("sent" if taken else "failed").inc()
        if not taken:
            log.warning("notification_failed", destination=destination.label, alerts=len(notice.alerts))
        return taken
