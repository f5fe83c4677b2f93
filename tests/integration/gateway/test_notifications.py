"""Alerts on their way to people: a real webhook, a database of each kind, deaths and outages in between."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import Engine

from services.gateway.adapters.alert_notifier import AlertNotifier
from services.gateway.adapters.sql_alerts import SqlAlerts
from services.gateway.adapters.sql_notices import SqlNotices
from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin
from services.gateway.domain.alerts import AlertFilter
from services.gateway.domain.notifications import NotificationPolicy
from services.gateway.settings import GatewaySettings
from shared.contracts.alert import Alert, Severity
from shared.events import publish_alert
from shared.notify import open_destinations
from shared.redis_client import async_client
from shared.startup import CannotStart
from tests.integration.gateway.conftest import running

NOW = datetime(2026, 4, 1, tzinfo=UTC)
WITHIN_S = 15.0


class Webhook:
    """A destination of the test's own, that can be told to refuse."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[dict[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.status == 200:
                    hook.received.append(json.loads(body))
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"json://user:secret@127.0.0.1:{self._server.server_port}/hook"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.received]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


@pytest.fixture
def other_webhook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


@pytest.fixture
def policy() -> NotificationPolicy:
    return NotificationPolicy(Severity.WARNING, repeat_after_s=3600.0)


@pytest.fixture
def take(engine: Engine, clock: Any, policy: NotificationPolicy) -> Callable[..., Awaitable[None]]:
    """Put an alert on the list."""
    store = SqlAlerts(engine, clock, policy)

    async def take(name: str, severity: Severity = Severity.WARNING, key: str = "") -> None:
        alert = Alert(name, "twin", "out_of_range", severity, None, name, "too high", clock.now(), key or name, {})
        await store.take([alert])

    return take


def notifier(engine: Engine, clock: Any, *hooks: Webhook) -> tuple[AlertNotifier, CollectorRegistry]:
    metrics = CollectorRegistry()
    destinations = open_destinations([hook.url for hook in hooks])
    made = AlertNotifier(
        notices=SqlNotices(engine), destinations=destinations, give_up_after_s=3600.0, clock=clock, metrics=metrics
    )
    return made, metrics


def outcomes(metrics: CollectorRegistry) -> dict[str, float]:
    name = "futago_gateway_notifications_total"
    return {
        outcome: metrics.get_sample_value(name, {"outcome": outcome}) or 0.0
        for outcome in ("sent", "failed", "dropped")
    }


async def test_each_condition_is_told_once_until_it_becomes_worse_or_the_window_ends(
    engine: Engine, clock: Any, webhook: Webhook, take: Callable[..., Awaitable[None]]
):
    teller, metrics = notifier(engine, clock, webhook)
    await take("info", Severity.INFO)
    for name, severity in (("a1", Severity.WARNING), ("a2", Severity.WARNING), ("a3", Severity.CRITICAL)):
        await take(name, severity, "a")
        await teller.deliver()
    clock.step(3600.0)
    await teller.deliver()
    await take("a4", Severity.CRITICAL, "a")
    await teller.deliver()
    assert webhook.titles == ["warning: a1", "critical: a1", "critical: a1"]
    assert outcomes(metrics) == {"sent": 3, "failed": 0, "dropped": 0}


async def test_a_condition_that_returns_after_its_acknowledgement_keeps_its_window(
    engine: Engine, clock: Any, webhook: Webhook, take: Callable[..., Awaitable[None]], policy: NotificationPolicy
):
    teller, _ = notifier(engine, clock, webhook)
    await take("a1", key="a")
    await teller.deliver()
    await SqlAlerts(engine, clock, policy).acknowledge("a1", by="kato", now=clock.now())
    await take("a2", key="a")
    await teller.deliver()
    assert webhook.titles == ["warning: a1"]


async def test_what_was_acknowledged_before_it_could_be_told_is_not_told(
    engine: Engine, clock: Any, webhook: Webhook, take: Callable[..., Awaitable[None]], policy: NotificationPolicy
):
    teller, _ = notifier(engine, clock, webhook)
    webhook.status = 500
    await take("a1")
    await teller.deliver()
    await SqlAlerts(engine, clock, policy).acknowledge("a1", by="kato", now=clock.now())
    webhook.status = 200
    clock.step(60.0)
    await teller.deliver()
    assert webhook.titles == []


async def test_a_destination_that_failed_is_tried_again_and_the_others_are_left_in_peace(
    engine: Engine, clock: Any, webhook: Webhook, other_webhook: Webhook, take: Callable[..., Awaitable[None]]
):
    teller, metrics = notifier(engine, clock, webhook, other_webhook)
    other_webhook.status = 503
    await take("a1")
    for _ in range(2):
        await teller.deliver()
    assert outcomes(metrics) == {"sent": 1, "failed": 1, "dropped": 0}
    other_webhook.status = 200
    clock.step(5.0)
    # Another process, as after a restart: what is still to be told stands in the database.
    restarted, metrics = notifier(engine, clock, webhook, other_webhook)
    await restarted.deliver()
    clock.step(3600.0)
    await restarted.deliver()
    assert (webhook.titles, other_webhook.titles) == (["warning: a1"], ["warning: a1"])
    assert outcomes(metrics) == {"sent": 1, "failed": 0, "dropped": 0}


async def test_what_cannot_be_delivered_is_dropped_in_the_end_and_counted(
    engine: Engine, clock: Any, webhook: Webhook, take: Callable[..., Awaitable[None]]
):
    teller, metrics = notifier(engine, clock, webhook)
    webhook.status = 500
    await take("a1")
    await teller.deliver()
    clock.step(3601.0)
    webhook.status = 200
    await teller.deliver()
    assert (webhook.titles, outcomes(metrics)) == ([], {"sent": 0, "failed": 1, "dropped": 1})


async def test_a_replica_that_died_with_an_alert_in_hand_leaves_it_to_another(
    engine: Engine, clock: Any, webhook: Webhook, take: Callable[..., Awaitable[None]]
):
    await take("a1")
    (claimed,) = await SqlNotices(engine).claim(now=clock.now())
    assert claimed.stored.alert.id == "a1"
    teller, _ = notifier(engine, clock, webhook)
    await teller.deliver()
    assert webhook.titles == []
    clock.step(300.0)
    await teller.deliver()
    assert webhook.titles == ["warning: a1"]


async def test_replicas_share_what_is_due(
    engine: Engine, clock: Any, webhook: Webhook, take: Callable[..., Awaitable[None]]
):
    for number in range(5):
        await take(f"a{number}")
    tellers = [notifier(engine, clock, webhook)[0] for _ in range(3)]
    await asyncio.gather(*(teller.deliver() for teller in tellers))
    assert sorted(webhook.titles) == [f"warning: a{number}" for number in range(5)]


async def test_what_becomes_worse_while_it_is_told_is_told_again(
    engine: Engine, clock: Any, take: Callable[..., Awaitable[None]]
):
    notices = SqlNotices(engine)
    await take("a1", Severity.WARNING, "a")
    (claimed,) = await notices.claim(now=clock.now())
    await take("a2", Severity.CRITICAL, "a")
    await notices.delivered([claimed.stored], now=clock.now())
    (again,) = await notices.claim(now=clock.now() + timedelta(minutes=5))
    assert again.stored.alert.severity is Severity.CRITICAL


async def test_a_published_alert_reaches_the_webhook_through_a_running_gateway(
    settings: GatewaySettings, admin: FirstAdmin, redis_url: str, webhook: Webhook
):
    told = settings.model_copy(update={"notify_urls": (SecretStr(webhook.url),)})
    redis = async_client(redis_url, timeout_s=5)
    async with running(create_app(told)) as client:
        alert = Alert("a1", "twin", "out_of_range", Severity.CRITICAL, "acme.r101", "yield", "too high", NOW, "a")
        await publish_alert(redis, replace(alert, facts={"inputs": {"temp": 380.0}}))
        async with asyncio.timeout(WITHIN_S):
            while not webhook.received:
                await asyncio.sleep(0.05)
        assert 'futago_gateway_notifications_total{outcome="sent"} 1.0' in await metrics_with_a_sent_one(client)
    await redis.aclose()
    assert webhook.received[0]["type"] == "failure"
    assert webhook.titles == ["critical: yield on acme.r101"]
    assert "inputs: {'temp': 380.0}" in webhook.received[0]["message"]


async def metrics_with_a_sent_one(client: httpx.AsyncClient) -> str:
    async with asyncio.timeout(WITHIN_S):
        while True:
            text = (await client.get("/metrics")).text
            if 'notifications_total{outcome="sent"} 1.0' in text:
                return text
            await asyncio.sleep(0.05)


async def test_a_gateway_with_a_url_of_no_use_does_not_start_and_does_not_show_it(settings: GatewaySettings):
    wrong = settings.model_copy(update={"notify_urls": (SecretStr("nonsense://user:secret@host"),)})
    with pytest.raises(CannotStart) as refusal:
        create_app(wrong)
    assert "number 1 is no notification URL" in str(refusal.value)
    assert "secret" not in str(refusal.value)


async def test_a_condition_that_two_gateways_hear_of_at_once_is_one_entry_and_told_once(
    engine: Engine, clock: Any, policy: NotificationPolicy
):
    stores = [SqlAlerts(engine, clock, policy) for _ in range(2)]
    for number in range(20):
        alerts = [
            Alert(f"{number}-{place}", "twin", "k", Severity.WARNING, None, "yield", "m", clock.now(), f"key{number}")
            for place in range(2)
        ]
        await asyncio.gather(*(store.take([alert]) for store, alert in zip(stores, alerts, strict=True)))
    page = await stores[0].page(AlertFilter(), limit=200, cursor=None)
    assert [stored.occurrences for stored in page.items] == [2] * 20
    assert len(await SqlNotices(engine).claim(now=clock.now())) == 20


class BrokenDestination:
    label = "1:broken"

    def send(self, _message: object) -> bool:
        raise ValueError("https://hooks.example.com/secret")


async def test_a_destination_with_a_bug_keeps_nobody_else_uninformed_and_its_secret_out_of_the_log(
    engine: Engine, clock: Any, webhook: Webhook, take: Callable[..., Awaitable[None]], capsys: pytest.CaptureFixture
):
    metrics = CollectorRegistry()
    destinations = [BrokenDestination(), *open_destinations([webhook.url])]
    teller = AlertNotifier(
        notices=SqlNotices(engine), destinations=destinations, give_up_after_s=3600.0, clock=clock, metrics=metrics
    )
    await take("a1")
    await take("a2")
    await teller.deliver()
    assert len(webhook.received) == 2
    assert outcomes(metrics) == {"sent": 2, "failed": 2, "dropped": 0}
    printed = capsys.readouterr()
    assert "notification_broken" in printed.out
    assert "secret" not in printed.out + printed.err
