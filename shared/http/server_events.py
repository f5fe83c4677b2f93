"""Server-sent events (WHATWG HTML, section 9.2): an answer that goes on for as long as something happens."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from starlette.responses import StreamingResponse

MEDIA_TYPE: Final = "text/event-stream"
# A schema of a stream is one of each event in it.
_TEXT: Final[Mapping[str, str]] = {"type": "string"}
_ONE_EVENT: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"id": _TEXT, "event": _TEXT, "data": {**_TEXT, "contentMediaType": "application/json"}},
}
# A proxy in front must pass each event on at once, and nobody may keep any.
_HEADERS: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event(name: str, data: str, event_id: str | None = None) -> bytes:
    """Write an event; `data` is JSON, which holds no line break of its own."""
    said = "" if event_id is None else f"id: {event_id}\n"
    return f"{said}event: {name}\ndata: {data}\n\n".encode()


def position(event_id: str) -> bytes:
    """Write an id without an event: where a reader stands who has seen nothing yet."""
    return f"id: {event_id}\n\n".encode()


def comment(text: str) -> bytes:
    """Write something that readers pass over, to keep the connection busy."""
    return f": {text}\n\n".encode()


def event_stream(events: AsyncIterator[bytes]) -> StreamingResponse:
    """Answer with events until there are no more, or the reader has left."""
    return StreamingResponse(events, media_type=MEDIA_TYPE, headers=_HEADERS)


def described(description: str) -> dict[int | str, dict[str, Any]]:
    """What the contract says of such an answer."""
    return {200: {"description": description, "content": {MEDIA_TYPE: {"schema": _ONE_EVENT}}}}
