"""Alerts and jobs as they happen, as server-sent events."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import StreamingResponse

from services.gateway.domain.errors import InvalidQuery, RedisAway, TooManyStreams
from services.gateway.domain.events import EventDesk, Word
from services.gateway.routes.callers import VerifiedCaller
from services.gateway.schemas.events import line
from shared.http.dependencies import use
from shared.http.problems import responses
from shared.http.server_events import described, event_stream

router = APIRouter(prefix="/api/v1/events", tags=["events"])

_STREAM = described("events `alert`, `job` and, as the last one, `end` with the reason; data as in their lists")


@router.get(
    "",
    response_class=StreamingResponse,
    responses={**responses(TooManyStreams, RedisAway, InvalidQuery), **_STREAM},
)
async def follow_events(
    desk: Annotated[EventDesk, use(EventDesk)],
    caller: VerifiedCaller,
    last_event_id: Annotated[
        str | None, Header(max_length=100, description="goes on after this event, as far as it is still kept")
    ] = None,
) -> StreamingResponse:
    """Follow what the caller may see: alerts as they are raised, jobs whenever they move.

    The stream ends when the caller's credential does.
    """
    words = desk.follow(caller, last_event_id)
    # What can be refused is refused before there is an answer.
    first = await anext(words)
    return event_stream(_lines(first, words))


async def _lines(first: Word, words: AsyncGenerator[Word]) -> AsyncIterator[bytes]:
    try:
        yield line(first)
        async for word in words:
            yield line(word)
    finally:
        await words.aclose()
