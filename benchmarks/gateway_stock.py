"""A gateway as it is commonly written: FastAPI, httpx, python-jose, middleware by Starlette's base class, Redis.

Started by uvicorn with `STOCK_UPSTREAM`, `STOCK_REDIS` and `STOCK_SECRET` in the environment.
"""

import os
import time
from collections.abc import Awaitable, Callable

import httpx
from fastapi import FastAPI, Request, Response
from jose import JWTError, jwt
from prometheus_client import Counter, Histogram
from redis.asyncio import Redis
from starlette.middleware.base import BaseHTTPMiddleware

ALGORITHM = "HS256"
_REQUESTS_A_SECOND = 1_000_000
_NOT_OUTWARD = {"connection", "content-length", "date", "server", "transfer-encoding"}
_NOT_INWARD = {"authorization", "connection", "content-length", "host", "transfer-encoding"}

app = FastAPI()
_client = httpx.AsyncClient(base_url=os.environ["STOCK_UPSTREAM"])
_redis: Redis = Redis.from_url(os.environ["STOCK_REDIS"])
_requests = Counter("requests", "Requests", ["method", "status"])
_duration_s = Histogram("duration_seconds", "Duration", ["method"])


class Limits(BaseHTTPMiddleware):
    """Verifies the token and counts the caller's requests of this second."""

    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, os.environ["STOCK_SECRET"], algorithms=[ALGORITHM])
        except JWTError:
            return Response(status_code=401)
        key = f"stock:{claims['sub']}:{int(time.time())}"
        async with _redis.pipeline(transaction=False) as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, 2)
            used, _ = await pipeline.execute()
        return Response(status_code=429) if used > _REQUESTS_A_SECOND else await call_next(request)


class Metrics(BaseHTTPMiddleware):
    """Counts and times every request."""

    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        response = await call_next(request)
        _requests.labels(request.method, response.status_code).inc()
        _duration_s.labels(request.method).observe(time.perf_counter() - started)
        return response


app.add_middleware(Limits)
app.add_middleware(Metrics)


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def forward(path: str, request: Request) -> Response:
    """Hand the request on."""
    headers = {name: value for name, value in request.headers.items() if name not in _NOT_INWARD}
    answer = await _client.request(
        request.method, f"/{path}", params=request.query_params, headers=headers, content=await request.body()
    )
    kept = {name: value for name, value in answer.headers.items() if name not in _NOT_OUTWARD}
    return Response(answer.content, answer.status_code, kept)
