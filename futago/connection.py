"""One caller's connection to a gateway: who it is, when to try again, what an answer means.

Only calls that do no harm when they happen twice are repeated: reads, predictions, scores, and job posts, whose
idempotency key makes the second one the same job.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import quote

import httpx

from futago.credentials import Credentials
from futago.errors import AuthenticationError, ConnectionFailed, RateLimited, SecondFactorRequired, Unavailable
from futago.problems import error_of
from futago.wire import JsonObject, decode_object, encode
from shared.clock import Clock

LONGEST_WAIT_S = 30.0
"""Asked to wait longer than this, a call gives up and says so: nobody expects a function to sleep for minutes."""
_LOGIN = "/api/v1/auth/login"
FIRST_WAIT_S = 0.25
PAGE_LIMIT = 200
"""The longest page of a list that the suite gives."""
REFRESH_AHEAD_S = 30.0
"""A token this close to its end is renewed before it is used."""

Parameters: TypeAlias = Mapping[str, str | int | float | None]


@dataclass(frozen=True, slots=True)
class _Tokens:
    access: str = field(repr=False)
    refresh: str = field(repr=False)
    renew_at_s: float


class Connection:
    """Sends requests as one caller; safe to share between threads.

    Parameters
    ----------
    attempts
        How often a harmless call is sent at most.
    sleep
        What to wait with, in seconds.
    ask_code
        Gives a code of the second factor when a login needs one.
    """

    def __init__(
        self,
        http: httpx.Client,
        credentials: Credentials,
        *,
        attempts: int,
        clock: Clock,
        sleep: Callable[[float], None],
        ask_code: Callable[[], str] | None = None,
    ) -> None:
        self._http = http
        self._credentials = credentials
        self._attempts = attempts
        self._clock = clock
        self._sleep = sleep
        self._ask_code = ask_code
        self._tokens: _Tokens | None = None
        self._renewing = threading.Lock()

    def get(self, path: str, params: Parameters | None = None) -> JsonObject:
        """Read something."""
        return self._object(self.call("GET", path, params=params))

    def ask(self, path: str, body: object, params: Parameters | None = None) -> JsonObject:
        """Post a question: a call that changes nothing and may be repeated."""
        return self._object(self.call("POST", path, params=params, body=body))

    def command(self, path: str, body: object | None = None) -> JsonObject:
        """Post something that is sent once: no second try after it may have arrived."""
        return self._object(self.call("POST", path, body=body, repeatable=False))

    def put(self, path: str, body: object) -> JsonObject:
        """Replace something; sent twice, it is the same."""
        return self._object(self.call("PUT", path, body=body))

    def change(self, path: str, body: object) -> JsonObject:
        """Change parts of something; sent once, as somebody else may change it next."""
        return self._object(self.call("PATCH", path, body=body, repeatable=False))

    def delete(self, path: str) -> None:
        """Take something away; a second try would find it gone."""
        self.call("DELETE", path, repeatable=False)

    def items(self, path: str, limit: int | None = None, params: Parameters | None = None) -> list[JsonObject]:
        """A list, page by page, to its end or up to `limit` items."""
        found: list[JsonObject] = []
        cursor: str | None = None
        while limit is None or len(found) < limit:
            page = PAGE_LIMIT if limit is None else min(PAGE_LIMIT, limit - len(found))
            answer = self.get(path, {**(params or {}), "limit": page, "cursor": cursor})
            found += answer.get("items", [])
            cursor = answer.get("next_cursor")
            if cursor is None:
                break
        return found

    def submit(self, path: str, body: object, *, idempotency_key: str) -> JsonObject:
        """Post a job; however often it has to be sent, there will be one."""
        return self._object(self.call("POST", path, body=body, headers={"Idempotency-Key": idempotency_key}))

    def upload(self, path: str, field: str, name: str, content: bytes) -> JsonObject:
        """Post one file as `multipart/form-data`."""
        files: dict[str, tuple[str | None, bytes, str]] = {field: (name, content, "application/zip")}
        return self._object(self.call("POST", path, files=files, repeatable=False))

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Parameters | None = None,
        body: object | None = None,
        files: Mapping[str, tuple[str | None, bytes, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> httpx.Response:
        """Send one request as the caller, logging in first where that is needed.

        Raises
        ------
        FutagoError
            The subclass that fits the answer, or `ConnectionFailed` if there was none.
        """
        shown = {name: value for name, value in (params or {}).items() if value is not None}
        content = None if body is None else encode(body)
        sent = {**(headers or {}), **({} if content is None else {"Content-Type": "application/json"})}

        def request() -> httpx.Request:
            return self._http.build_request(
                method, path, params=shown, content=content, files=files, headers={**sent, **self._identity()}
            )

        response = self._patiently(request, repeatable=repeatable)
        if response.status_code == 401 and self._tokens is not None:
            # The token was revoked, or the server has other keys now; it refused before doing anything.
            self._replace(response.request.headers.get("Authorization", ""))
            response = self._patiently(request, repeatable=repeatable)
        return self._checked(response)

    def lines(
        self, path: str, params: Parameters | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[str]:
        """The lines of a long answer, as they come.

        Raises
        ------
        FutagoError
            As `call`; `ConnectionFailed` also where the answer breaks off before its end.
        """
        shown = {name: value for name, value in (params or {}).items() if value is not None}

        def begin() -> httpx.Response:
            sent = {**(headers or {}), **self._identity()}
            return self._http.send(self._http.build_request("GET", path, params=shown, headers=sent), stream=True)

        try:
            response = begin()
            if response.status_code == 401 and self._tokens is not None:
                response.close()
                self._replace(response.request.headers.get("Authorization", ""))
                response = begin()
            with closing(response):
                if not response.is_success:
                    response.read()
                yield from self._checked(response).iter_lines()
        except httpx.HTTPError as error:
            raise ConnectionFailed(f"{self._credentials.url} broke off: {_reason(error)}") from error

    def pause(self, seconds: float) -> None:
        """Wait before the next try."""
        self._sleep(seconds)

    def login(self, code: str | None = None) -> None:
        """Exchange user name and password for tokens; later ones are fetched without being asked.

        Raises
        ------
        AuthenticationError
            If they are wrong, or there are none.
        SecondFactorRequired
            If a code is needed as well and there is nobody to ask for it.
        """
        username, password = self._credentials.username, self._credentials.password
        if not username or not password:
            raise AuthenticationError("give a user name and a password, an API key, or a credentials file")
        known = {"username": username, "password": password}
        if code is not None:
            self._tokens = self._login_with(known, code)
            return
        try:
            self._tokens = self._fetch_tokens(_LOGIN, known)
        except SecondFactorRequired:
            if self._ask_code is None:
                raise
            self._tokens = self._login_with(known, self._ask_code())

    def _login_with(self, known: Mapping[str, str], code: str) -> _Tokens:
        # A code is good for one use: sent again after a lost answer, it would be refused.
        return self._fetch_tokens(_LOGIN, {**known, "code": code}, repeatable=False)

    def logout(self) -> None:
        """Make the server forget the tokens; without any, do nothing."""
        if self._tokens is None:
            return
        self.call("POST", "/api/v1/auth/logout", repeatable=False)
        self._tokens = None

    def _identity(self) -> dict[str, str]:
        if self._credentials.api_key is not None:
            return {"X-API-Key": self._credentials.api_key}
        return {"Authorization": f"Bearer {self._fresh_access_token()}"}

    def _fresh_access_token(self) -> str:
        with self._renewing:
            if self._tokens is None:
                self.login()
            elif self._clock.monotonic_s() >= self._tokens.renew_at_s:
                self._renew(self._tokens)
            if self._tokens is None:
                raise AuthenticationError("the login gave no token")
            return self._tokens.access

    def _replace(self, refused: str) -> None:
        with self._renewing:
            if self._tokens is not None and refused == f"Bearer {self._tokens.access}":
                self._renew(self._tokens)

    def _renew(self, tokens: _Tokens) -> None:
        try:
            self._tokens = self._fetch_tokens(
                "/api/v1/auth/refresh", {"refresh_token": tokens.refresh}, repeatable=False
            )
        except (AuthenticationError, ConnectionFailed):
            # A refresh token is good for one use: sent again after a lost answer, it would look stolen.
            self.login()

    def _fetch_tokens(self, path: str, body: Mapping[str, str], *, repeatable: bool = True) -> _Tokens:
        def request() -> httpx.Request:
            return self._http.build_request(
                "POST", path, content=encode(body), headers={"Content-Type": "application/json"}
            )

        answer = self._object(self._checked(self._patiently(request, repeatable=repeatable)))
        access = answer.get("access_token") or answer.get("token")
        if not isinstance(access, str):
            raise AuthenticationError("the login gave no token")
        lasts_s = float(answer.get("expires_in") or 0.0)
        # A token that lasts no longer than the margin is renewed at half its life, not before every call.
        margin_s = min(REFRESH_AHEAD_S, lasts_s / 2)
        return _Tokens(access, str(answer.get("refresh_token", "")), self._clock.monotonic_s() + lasts_s - margin_s)

    def _patiently(self, request: Callable[[], httpx.Request], *, repeatable: bool) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            growing_s = FIRST_WAIT_S * 2 ** (attempt - 1)
            try:
                response = self._http.send(request())
            except httpx.HTTPError as error:
                never_arrived = isinstance(error, httpx.ConnectError)
                if attempt >= self._attempts or not (repeatable or never_arrived):
                    raise ConnectionFailed(f"{self._credentials.url} did not answer: {_reason(error)}") from error
                self._sleep(growing_s)
                continue
            asked_s = self._asked_to_wait_s(response, otherwise_s=growing_s, repeatable=repeatable)
            if attempt >= self._attempts or asked_s is None:
                return response
            self._sleep(asked_s)

    def _asked_to_wait_s(self, response: httpx.Response, *, otherwise_s: float, repeatable: bool) -> float | None:
        if response.is_success:
            return None
        error = error_of(response, now=self._clock.now())
        # A limit turns a request away at the door, so even a command may knock again.
        if not (isinstance(error, RateLimited) or (repeatable and isinstance(error, Unavailable))):
            return None
        wait_s = otherwise_s if error.retry_after_s is None else error.retry_after_s
        return wait_s if wait_s <= LONGEST_WAIT_S else None

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        raise error_of(response, now=self._clock.now())

    @staticmethod
    def _object(response: httpx.Response) -> JsonObject:
        return decode_object(response.content) if response.content else {}


def path_part(name: str) -> str:
    """A name as one part of a path, whatever is in it."""
    return quote(name, safe="")


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    return str(error) or type(error).__name__
