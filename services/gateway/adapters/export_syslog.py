"""The audit trail as syslog: RFC 5424 messages over UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425).

The standard library's handler speaks the older form, ends messages with a zero byte and has no framing for streams.
"""

import socket
import ssl
from collections.abc import Sequence
from enum import StrEnum

from services.gateway.domain.audit import Action, Entry
from services.gateway.domain.audit_lines import line_of
from shared.clock import rfc3339

# RFC 5424, table 1: "log audit"; table 2: informational, warning, error.
_FACILITY = 13
_INFORMATIONAL, _WARNING, _ERROR = 6, 4, 3
_APPLICATION = "futago-gateway"
# RFC 5424, section 6: at most 255 and 32 characters, without spaces.
_MAX_HOST = 255
_MAX_MESSAGE_ID = 32
_TIMEOUT_S = 10.0


class Transport(StrEnum):
    """How messages travel."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Syslog:
    """A syslog server.

    Over TCP and TLS a message that was sent has not necessarily arrived, as the protocol confirms nothing: the newest
    batch is sent again whenever a connection has to be made anew. UDP promises nothing at all.

    Parameters
    ----------
    tls
        With which certificates the server is believed; for `Transport.TLS` only.
    """

    def __init__(
        self,
        name: str,
        address: tuple[str, int],
        transport: Transport,
        *,
        host: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self._address = address
        self._transport = transport
        self._host = "".join(c for c in host if "!" <= c <= "~")[:_MAX_HOST] or "-"
        self._tls = tls
        self._socket: socket.socket | None = None
        self._newest = b""

    def send(self, entries: Sequence[Entry]) -> None:
        messages = [message_of(entry, self._host) for entry in entries]
        try:
            if self._transport is Transport.UDP:
                self._send_datagrams(messages)
            else:
                # RFC 6587, section 3.4.1: the length of each message stands before it.
                self._send_stream(b"".join(b"%d %s" % (len(message), message) for message in messages))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send_datagrams(self, messages: Sequence[bytes]) -> None:
        if self._socket is None:
            family, kind, protocol, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.connect(address)
        for message in messages:
            self._socket.send(message)

    def _send_stream(self, content: bytes) -> None:
        if self._socket is not None and _has_left(self._socket):
            self.close()
        if self._socket is None:
            self._socket = self._connect()
            self._socket.sendall(self._newest)
        self._socket.sendall(content)
        self._newest = content

    def _connect(self) -> socket.socket:
        plain = socket.create_connection(self._address, _TIMEOUT_S)
        if self._tls is None:
            return plain
        try:
            return self._tls.wrap_socket(plain, server_hostname=self._address[0])
        except OSError:
            plain.close()
            raise


def message_of(entry: Entry, host: str) -> bytes:
    """An entry as a message of RFC 5424, its text a line of JSON in ASCII."""
    event = entry.event
    severity = _INFORMATIONAL if event.success else _ERROR if event.action == Action.GAP.value else _WARNING
    # An act goes by its name; method and route of an access hold a space.
    message_id = "access" if " " in event.action else event.action[:_MAX_MESSAGE_ID] or "-"
    head = f"<{8 * _FACILITY + severity}>1 {rfc3339(event.at)} {host} {_APPLICATION} - {message_id} - "
    return (head + line_of(entry)).encode()


def _has_left(connection: socket.socket) -> bool:
    """Whether the server has closed its end: what is sent then would vanish without an error."""
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(_TIMEOUT_S)
