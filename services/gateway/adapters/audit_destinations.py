"""Where the audit trail is exported to, by URL.

`file:///var/log/futago/audit.jsonl`, `stdout:`, `syslog+udp://host:514`, `syslog+tcp://host:601`,
`syslog+tls://host:6514?ca=/etc/ssl/siem.pem`.
"""

import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from services.gateway.adapters.audit_exporter import Destination
from services.gateway.adapters.export_files import LinesFile, LinesOut
from services.gateway.adapters.export_syslog import Syslog, Transport
from shared.errors import AppError, Kind
from shared.http.tls import client_context

# RFC 5426, RFC 6587's usual port, RFC 5425.
_PORTS = {Transport.UDP: 514, Transport.TCP: 601, Transport.TLS: 6514}
_MAX_NAME = 255


class ExportInvalid(AppError):
    """The trail cannot be exported to this URL."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "gateway.audit_export_invalid"


def open_exports(urls: Sequence[str]) -> list[Destination]:
    """Make the destinations; none connects before it has something to send.

    Raises
    ------
    ExportInvalid
        If a URL names no destination, or its certificates cannot be read.
    """
    return [_open(url) for url in urls]


def _open(url: str) -> Destination:
    parts = _split(url)
    if url == LinesOut.name:
        return LinesOut()
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        path = Path(unquote(parts.path))
        if not path.parent.is_dir():
            raise ExportInvalid(f"{url}: there is no folder {path.parent}")
        return LinesFile(url, path)
    kind, _, transport = parts.scheme.partition("+")
    if kind != "syslog" or transport not in set(Transport) or not parts.hostname:
        raise ExportInvalid(f"{url} is no destination: use file:///…, stdout: or syslog+udp|tcp|tls://host:port")
    carried = Transport(transport)
    return Syslog(
        url,
        (parts.hostname, parts.port or _PORTS[carried]),
        carried,
        host=socket.gethostname(),
        tls=_context(url, parts) if carried is Transport.TLS else None,
    )


def _split(url: str) -> SplitResult:
    if len(url) > _MAX_NAME:
        raise ExportInvalid(f"an export URL has at most {_MAX_NAME} characters")
    try:
        parts = urlsplit(url)
        _ = parts.port  # read late, and only then found to be no number
    except ValueError as error:
        raise ExportInvalid(f"{url}: {error}") from None
    if parts.username is not None or parts.password is not None:
        # It would be shown in metrics, and syslog knows no passwords.
        raise ExportInvalid("an export URL carries no user name or password")
    return parts


def _context(url: str, parts: SplitResult) -> ssl.SSLContext:
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := asked.keys() - {"ca", "cert", "key"}:
        raise ExportInvalid(f"{url}: unknown parameter {min(unknown)!r}; there are ca, cert and key")
    try:
        context = client_context(Path(asked["ca"]) if "ca" in asked else None)
        if "cert" in asked:
            context.load_cert_chain(asked["cert"], asked.get("key"))
    except (OSError, ValueError) as error:
        raise ExportInvalid(f"{url}: {error}") from None
    return context
