"""Where every request comes in: raw ASGI ahead of all routing.

What the table of routes does not name goes no further. A request for a service is forwarded from here without ever
meeting the framework; one for the gateway itself goes on to it with the verified caller on its scope.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.domain.access import PROBES, AccessTable, Entry, Route, Service, methods_of
from services.gateway.domain.addresses import Network, client_address
from services.gateway.domain.audit import ANONYMOUS, Event, Source
from services.gateway.domain.credentials import Verified
from services.gateway.domain.doorman import Allowance, Doorman, Entrance, check_room
from services.gateway.domain.errors import PathUnknown, UpstreamBroken
from services.gateway.domain.floors import KnownFloors
from services.gateway.domain.headers import AmbiguousFraming, body_length
from services.gateway.domain.paths import split_path
from services.gateway.domain.rate_limit import headers as limit_headers
from services.gateway.domain.upstreams import Handover, Upstream
from services.gateway.routes.callers import ADDRESS_KEY, VERIFIED_KEY
from shared.clock import Clock
from shared.errors import AppError
from shared.http.identity import PRINCIPAL_KEY
from shared.http.middleware import ROUTE_KEY, Deadline
from shared.http.problems import problem, problem_of
from shared.http.request_id import current_request_id
from shared.principal import Principal

_ENTRANCE_KEY = "futago.entrance"
_MOST_PATHS = 4096
# A longer path is no caller's favourite: thousands of those would hold much memory for nothing.
_LONGEST_KEPT_BYTES = 512
# Added to every answer that does not say otherwise: an answer of an API is data, never a page.
_SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    # For pages of the services, whose own policy says nothing of frames: only the suite itself may show them in one.
    (b"x-frame-options", b"SAMEORIGIN"),
    # Many an answer holds a secret that no cache may keep (of tokens, RFC 6749, section 5.1, says so).
    (b"cache-control", b"no-store"),
)


class Forwards(Protocol):
    """Hands a request on to a service."""

    async def forward(self, upstream: Upstream, handover: Handover, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what the service says."""
        ...


@dataclass(frozen=True, slots=True)
class ProxyRules:
    """How much and how long a forwarded request may take.

    Parameters
    ----------
    deadline_s, upload_timeout_s
        From the first byte of the request to the first of the answer; the second for routes that take uploads [s].
    answer_timeout_s
        Longest wait for the next bytes of an answer; for uploads, that is `upload_timeout_s` too [s].
    """

    body_limit_bytes: int
    upload_limit_bytes: int
    deadline_s: float
    answer_timeout_s: float
    upload_timeout_s: float


@dataclass(frozen=True, slots=True)
class Observers:
    """Who hears of a request, none of whom may take time.

    Parameters
    ----------
    audit
        Takes what happened, for the audit trail.
    key_used
        Takes the id of an API key that let somebody in.
    let_in_without_redis
        Counts requests that were let in on an earlier verification alone.
    limited
        Takes the allowance that a request was counted on.
    refused
        Takes why a request was not let through.
    """

    audit: Callable[[Event], None]
    key_used: Callable[[str], None]
    let_in_without_redis: Callable[[], None]
    limited: Callable[[Allowance], None]
    refused: Callable[[AppError], None]


class Door:
    """The gateway's outer layer.

    Parameters
    ----------
    app
        The gateway's own routes.
    vouch
        Signs, for a caller and a service, what the service believes.
    trusted_proxies
        Whose `X-Forwarded-For` is believed.
    floors
        Tell what ended since somebody was let in.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        table: AccessTable,
        doorman: Doorman,
        forwarder: Forwards,
        vouch: Callable[[Principal, str], str],
        upstreams: Mapping[Service, Upstream],
        rules: ProxyRules,
        observers: Observers,
        trusted_proxies: tuple[Network, ...],
        floors: KnownFloors,
        clock: Clock,
    ) -> None:
        self._app = app
        self._read = lambda raw_path: table.find(split_path(raw_path))
        # The same few paths come again and again; one that is new is read, and one that is ambiguous each time.
        self._read_once = lru_cache(maxsize=_MOST_PATHS)(self._read)
        self._doorman = doorman
        self._forwarder = forwarder
        self._vouch = vouch
        self._upstreams = upstreams
        self._rules = rules
        self._observers = observers
        self._trusted_proxies = trusted_proxies
        self._floors = floors
        self._clock = clock
        self._proxy = Deadline(self._forward, deadline_s=rules.deadline_s)
        # However slowly a file drips in, it must not hold a connection to its service for ever.
        self._upload = Deadline(self._forward, deadline_s=rules.upload_timeout_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            answer = _Answer(send)
            try:
                await self._enter(scope, receive, answer)
            except AppError as error:
                if answer.status:
                    raise
                await _refuse(error, scope, receive, answer)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _enter(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        scope[ROUTE_KEY] = "unmatched"
        body_length(scope["headers"])
        raw_path: bytes = scope["raw_path"]
        routes = (self._read_once if len(raw_path) <= _LONGEST_KEPT_BYTES else self._read)(raw_path)
        if not routes:
            raise PathUnknown
        route = routes.get(scope["method"])
        if route is None:
            scope[ROUTE_KEY] = next(iter(routes.values())).pattern
            await _refuse_method(routes, scope, receive, answer)
            return
        scope[ROUTE_KEY] = route.pattern
        scope[ADDRESS_KEY] = self._address(scope)
        if route.needs is Entry.OPEN:
            await self._enter_open(route, scope, receive, answer)
        else:
            await self._enter_guarded(route, scope, receive, answer)

    async def _enter_open(self, route: Route, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            if route.pattern not in PROBES:
                allowance = await self._doorman.admit_anybody(scope[ADDRESS_KEY])
                answer.add(allowance)
                self._observers.limited(allowance)
                check_room(allowance)
            await self._app(scope, receive, answer)
        except AppError as error:
            if answer.status:
                raise
            self._observers.refused(error)
            await _refuse(error, scope, receive, answer)
        finally:
            # Who is let in by a password is written by the use case; who is throttled never gets that far.
            if route.method == "POST" and not 0 < answer.status < 400:
                self._audit(route, None, scope, answer.status)

    async def _enter_guarded(self, route: Route, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        entrance = None
        try:
            entrance = await self._doorman.admit(route, scope["headers"], scope[ADDRESS_KEY])
            answer.add(entrance.allowance)
            self._observers.limited(entrance.allowance)
            self._doorman.check(entrance, route)
            self._note(entrance)
            scope[PRINCIPAL_KEY] = entrance.caller.principal
            scope[VERIFIED_KEY] = entrance.caller
            scope[_ENTRANCE_KEY] = entrance, route
            await self._behind(route)(scope, receive, answer)
        except AppError as error:
            if answer.status:
                raise
            self._observers.refused(error)
            await _refuse(error, scope, receive, answer)
        finally:
            self._audit(route, entrance, scope, answer.status)

    def _behind(self, route: Route) -> ASGIApp:
        if route.service is Service.GATEWAY:
            return self._app
        return self._upload if route.upload else self._proxy

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        entrance, route = scope[_ENTRANCE_KEY]
        upstream = self._upstreams[route.service]
        rules = self._rules
        handover = Handover(
            identity=self._vouch(entrance.caller.principal, upstream.audience),
            request_id=current_request_id(),
            body_limit_bytes=rules.upload_limit_bytes if route.upload else rules.body_limit_bytes,
            answer_timeout_s=rules.upload_timeout_s if route.upload else rules.answer_timeout_s,
            still_counts=partial(self._still_counts, entrance.caller, self._floors.era),
        )
        await self._forwarder.forward(upstream, handover, scope, receive, send)

    def _still_counts(self, caller: Verified, era: int) -> bool:
        return self._clock.now() < caller.expires_at and self._floors.still_count(caller.stamps, era)

    def _address(self, scope: Scope) -> str:
        peer = scope.get("client")
        forwarded_for = (value for name, value in scope["headers"] if name == b"x-forwarded-for")
        return client_address(peer[0] if peer else None, forwarded_for, self._trusted_proxies)

    def _note(self, entrance: Entrance) -> None:
        if entrance.caller.key_id is not None:
            self._observers.key_used(entrance.caller.key_id)
        if entrance.without_redis:
            self._observers.let_in_without_redis()

    def _audit(self, route: Route, entrance: Entrance | None, scope: Scope, status: int) -> None:
        caller = None if entrance is None else entrance.caller
        self._observers.audit(
            Event(
                at=self._clock.now(),
                user=ANONYMOUS if caller is None else caller.principal.subject,
                action=f"{route.method} {route.pattern}",
                resource=scope["path"],
                # Without a status the caller left before there was an answer.
                success=0 < status < 400,
                source=Source(scope[ADDRESS_KEY], current_request_id()),
                facts={"status": status}
                if caller is None or caller.key_id is None
                else {"status": status, "key": caller.key_id},
            )
        )


class _Answer:
    """Sends an answer on, with the headers that every answer has, and remembers its status."""

    def __init__(self, send: Send) -> None:
        self.status = 0
        self._send = send
        self._limit_headers: list[tuple[bytes, bytes]] = []

    def add(self, allowance: Allowance) -> None:
        """Say in the answer what is left of the caller's allowance."""
        self._limit_headers = [
            (name.lower().encode(), value.encode())
            for name, value in limit_headers(allowance.limit, allowance.decision)
        ]

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [pair for pair in _SAFE_HEADERS if pair[0] not in present]
            message["headers"] = headers + self._limit_headers
        await self._send(message)


async def _refuse(error: AppError, scope: Scope, receive: Receive, send: Send) -> None:
    response = _bad_gateway(error, scope) if isinstance(error, UpstreamBroken) else problem_of(error, scope["path"])
    if isinstance(error, AmbiguousFraming):
        # What follows on this connection may be the rest of a body, or anything else.
        response.headers["Connection"] = "close"
    await response(scope, receive, send)


def _bad_gateway(error: UpstreamBroken, scope: Scope) -> Response:
    # The one failure whose number only a gateway needs: the service was reached, and what came back was no answer.
    return problem(
        status=502,
        code=error.code,
        detail=error.message,
        instance=scope["path"],
        facts=error.facts,
        headers={"Retry-After": "1"},
    )


async def _refuse_method(routes: Mapping[str, Route], scope: Scope, receive: Receive, send: Send) -> None:
    allowed = ", ".join(methods_of(routes))
    response = problem(
        status=405,
        code="gateway.method_not_allowed",
        detail=f"this path takes {allowed}",
        instance=scope["path"],
        headers={"Allow": allowed},
    )
    await response(scope, receive, send)
