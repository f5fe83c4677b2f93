"""One log line a request, written many at a time: a line by itself costs more than many a request.

Lines wait for a tenth of a second at most. A process that is killed loses those; one that is told to end writes them
first.
"""

import asyncio
import logging
from datetime import UTC, datetime

import orjson

from shared.log import RENDERED
from shared.tracing import current_span

_WAIT_S = 0.1
_MOST_WAITING = 1_000


class RequestLog:
    """Writes request lines in the form of all other lines of this process."""

    def __init__(self, service: str) -> None:
        self._service, self._logger = service, logging.getLogger("shared.http")
        self._waiting: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, *, request_id: str, method: str, path: str, status: int, duration_s: float) -> None:
        """Take note of an answered request."""
        if not self._logger.isEnabledFor(logging.INFO):
            return
        line = {
            "method": method,
            "path": path,
            "status": status,
            "duration_ms": round(duration_s * 1000, 3),
            "event": "request",
            "request_id": request_id,
            "level": "info",
            "logger": self._logger.name,
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "service": self._service,
        }
        if (span := current_span()) is not None:
            line["trace_id"] = span.trace_id
        self._waiting.append(orjson.dumps(line))
        if len(self._waiting) >= _MOST_WAITING:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WAIT_S, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            lines, self._waiting = b"\n".join(self._waiting).decode(), []
            self._logger.info("%s", lines, extra={RENDERED: True})
