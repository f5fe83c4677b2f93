"""Messages to people through apprise: Slack, e-mail, PagerDuty, Teams, webhooks, each a URL of the settings.

apprise is imported when the first destination is made: a process that notifies nobody neither has it nor loads it.
"""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from shared.contracts.alert import Severity
from shared.errors import AppError, Kind

# The icon and colour that a destination shows, in apprise's words.
_TYPES = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}


class DestinationInvalid(AppError):
    """A notification URL cannot be used; it is told by its place, because the URL itself holds a secret."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "notify.destination_invalid"

    def __init__(self, place: int) -> None:
        super().__init__(
            f"number {place} is no notification URL that apprise knows, or a part of it is missing", place=place
        )


@dataclass(frozen=True, slots=True)
class Message:
    """What a person is told, as plain text."""

    title: str
    body: str
    severity: Severity


class Destination(Protocol):
    """Somewhere that messages can be sent to."""

    @property
    def label(self) -> str:
        """What tells it from the others, without a secret."""
        ...

    def send(self, message: Message) -> bool:
        """Deliver a message, and say whether it was taken; blocks for seconds, so call it in a thread."""
        ...


def open_destinations(urls: Sequence[str]) -> tuple[Destination, ...]:
    """Make the destinations of notification URLs, such as `slack://…`, `mailto://…` or `jsons://host/path`.

    Nothing is sent yet. What a destination is given to connect and to answer, 4 s each unless the URL says otherwise
    (`?cto=2&rto=2`), bounds how long one message takes.

    Raises
    ------
    DestinationInvalid
        If apprise cannot make a destination of one of them.
    """
    if not urls:
        return ()
    # What apprise logs names hosts and, for a URL it cannot read, parts of its secrets; what lies below it logs the
    # path of each request, which is the secret of many webhooks. Callers log what counts.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # Loading its plug-ins imports modules that Python 3.13 no longer has, and apprise itself then replaces.
        warnings.simplefilter("ignore", DeprecationWarning)
        return tuple(_AppriseDestination(place, url) for place, url in enumerate(urls, start=1))


class _AppriseDestination:
    """Implements `Destination`."""

    def __init__(self, place: int, url: str) -> None:
        from apprise import Apprise  # noqa: PLC0415 (see the top of this file)

        made = Apprise.instantiate(url)
        if made is None:
            raise DestinationInvalid(place)
        self._service = made
        self.label = f"{place}:{url.partition('://')[0].lower()}"

    def send(self, message: Message) -> bool:
        return bool(
            self._service.notify(
                body=message.body, title=message.title, notify_type=_TYPES[message.severity], body_format="text"
            )
        )
