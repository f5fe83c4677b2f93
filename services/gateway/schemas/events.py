"""What happens, as readers of the event stream get it."""

import json

from services.gateway.domain.events import Begin, End, Happening, Heartbeat, Word
from shared.contracts.alert import Alert
from shared.http import server_events


def line(word: Word) -> bytes:
    """Write a word of the stream: `alert` and `job` events with the alert or job, `end` with the reason."""
    match word:
        case Begin(position):
            return server_events.position(position)
        case Happening(position, what):
            name = "alert" if isinstance(what, Alert) else "job"
            return server_events.event(name, json.dumps(what.to_json(), allow_nan=False), position)
        case Heartbeat():
            return server_events.comment("nothing new")
        case End(reason):
            return server_events.event("end", json.dumps({"reason": reason.value}))
