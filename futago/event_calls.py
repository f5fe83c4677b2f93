"""What happens in the suite, as it happens."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from futago.connection import FIRST_WAIT_S, LONGEST_WAIT_S, Connection
from futago.errors import ConnectionFailed, RateLimited, Unavailable
from futago.wire import JsonObject, decode_object

_PATH = "/api/v1/events"
_GIVE_UP_AFTER = 10


@dataclass(frozen=True, slots=True)
class SuiteEvent:
    """An alert that was raised, or a job that moved.

    Parameters
    ----------
    kind
        `alert` or `job`.
    id
        Give it to `Client.events` to go on after this one.
    data
        The alert or job as its list shows it.
    """

    kind: str
    id: str
    data: JsonObject


class EventCalls:
    """What `Client` is told of the suite."""

    _api: Connection

    def events(self, last_event_id: str | None = None) -> Iterator[SuiteEvent]:
        """Follow alerts and jobs that the caller may see; connects again, where it was, whenever the stream ends.

        Parameters
        ----------
        last_event_id
            Go on after this event, as far as the suite still has it; otherwise from now.

        Raises
        ------
        AuthenticationError
            If the caller may not come in any more.
        ConnectionFailed, Unavailable, RateLimited
            If the suite has refused ten times in a row.
        """
        position, refusals = last_event_id, 0
        while True:
            headers = {"Accept": "text/event-stream"} | ({} if position is None else {"Last-Event-ID": position})
            try:
                for event in _events(self._api.lines(_PATH, headers=headers)):
                    position, refusals = event.id or position, 0
                    if event.kind in {"alert", "job"}:
                        yield event
            except (ConnectionFailed, Unavailable, RateLimited):
                refusals += 1
                if refusals == _GIVE_UP_AFTER:
                    raise
                self._api.pause(min(FIRST_WAIT_S * 2**refusals, LONGEST_WAIT_S))


def _events(lines: Iterable[str]) -> Iterator[SuiteEvent]:
    """Events of a stream (WHATWG HTML, section 9.2.6); one that only moves the position has no kind."""
    said: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            said[name] = value
        elif said:
            data = decode_object(said["data"].encode()) if "data" in said else {}
            yield SuiteEvent(said.get("event", ""), said.get("id", ""), data)
            said = {}
