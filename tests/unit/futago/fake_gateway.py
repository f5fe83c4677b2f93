"""A gateway in a few lines, behind httpx's own mock transport."""

import json
from collections.abc import Callable

import httpx

PREDICT = "/api/v1/twin/predict"
POINT = {"temp": 360, "pressure": 6.0, "flow": 100}
QUEUED = {"id": "j1", "kind": "anomaly.train", "state": "queued", "progress": None, "attempt": 0}

Answer = Callable[[httpx.Request], httpx.Response]


class FakeGateway:
    """Logs users in, hands out numbered tokens and answers what a test tells it to."""

    def __init__(self, *, token_life_s: float = 900.0) -> None:
        self.requests: list[httpx.Request] = []
        self.answers: dict[tuple[str, str], list[Answer]] = {}
        self.logins = 0
        self.refreshes = 0
        self.valid_tokens: set[str] = set()
        self.valid_refresh_tokens: set[str] = set()
        self.token_life_s = token_life_s
        self.lose_refreshes = False
        self.code: str | None = None

    def answer(self, method: str, path: str, *answers: Answer) -> None:
        """Give these answers in turn; the last one for ever."""
        self.answers[method, path] = list(answers)

    def sent(self, method: str, path: str) -> list[httpx.Request]:
        return [request for request in self.requests if (request.method, request.url.path) == (method, path)]

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.path == "/api/v1/auth/login":
            return self._login(json.loads(request.content))
        if request.url.path == "/api/v1/auth/refresh":
            return self._refresh(json.loads(request.content)["refresh_token"])
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.valid_tokens and request.headers.get("X-API-Key") != "fk_good":
            return problem(401, "auth.invalid_token", "the token is missing, expired or not valid here")
        answers = self.answers[request.method, request.url.path]
        return (answers.pop(0) if len(answers) > 1 else answers[0])(request)

    def _login(self, body: dict[str, str]) -> httpx.Response:
        self.logins += 1
        code = body.pop("code", None)
        if body == {"username": "admin", "password": "secret"} and self.code is not None and code is None:
            return problem(401, "auth.second_factor_required", "this user needs a second factor")
        if body != {"username": "admin", "password": "secret"} or code != self.code:
            return problem(401, "auth.wrong_credentials", "the user name or the password is wrong")
        return self._tokens()

    def _refresh(self, token: str) -> httpx.Response:
        self.refreshes += 1
        if token not in self.valid_refresh_tokens:
            return problem(401, "auth.invalid_token", "the token is missing, expired or not valid here")
        self.valid_refresh_tokens.discard(token)
        if self.lose_refreshes:
            raise httpx.ReadError("the answer is lost")
        return self._tokens()

    def _tokens(self) -> httpx.Response:
        number = self.logins * 100 + self.refreshes
        access, refresh = f"access-{number}", f"refresh-{number}"
        self.valid_tokens.add(access)
        self.valid_refresh_tokens.add(refresh)
        return httpx.Response(
            200,
            json={
                "access_token": access,
                "token": access,
                "token_type": "bearer",
                "expires_in": self.token_life_s,
                "refresh_token": refresh,
            },
        )


def gives(body: object, status: int = 200) -> Answer:
    return lambda _request: httpx.Response(status, json=body)


def refuses(status: int, code: str, detail: str, *, retry_after: str | None = None, **extra: object) -> Answer:
    return lambda _request: problem(status, code, detail, retry_after=retry_after, **extra)


def breaks(error: httpx.HTTPError) -> Answer:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise error

    return answer


def problem(status: int, code: str, detail: str, *, retry_after: str | None = None, **extra: object) -> httpx.Response:
    headers = {"Content-Type": "application/problem+json"} | ({"Retry-After": retry_after} if retry_after else {})
    body = {"title": code, "status": status, "detail": detail, "code": code, "request_id": "r-1"} | extra
    return httpx.Response(status, headers=headers, content=json.dumps(body).encode())
