"""A service behind the gateway that notes the very bytes of each request, and how it understood them."""

import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import BinaryIO

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Recorded:
    """One request as it came."""

    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        fields = (line.split(b":", 1) for line in self.head.split(b"\r\n")[1:])
        return [(name.lower(), value.strip()) for name, value in fields]


@dataclass
class Recorder:
    """Reads strictly, and notes as `strays` whatever a strict reader cannot make sense of."""

    requests: list[Recorded] = field(default_factory=list)
    strays: list[bytes] = field(default_factory=list)
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def asked(self) -> list[Recorded]:
        """Requests but those with which the gateway looks after its services."""
        return [each for each in self.requests if each.line.split(b" ")[1] not in {b"/readyz", b"/openapi.json"}]

    def forget(self) -> None:
        self.requests.clear()
        self.strays.clear()

    def close(self) -> None:
        # Closing alone does not wake whoever waits in `accept`.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join(5)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            connection = plain if self.tls is None else self.tls.wrap_socket(plain, server_side=True)
        except OSError:
            return
        with connection, connection.makefile("rb") as stream:
            try:
                while (request := self._read(stream)) is not None:
                    self.requests.append(request)
                    connection.sendall(self._answer(request))
            except (ValueError, IndexError) as error:
                self.strays.append(str(error).encode())
            except OSError:
                return

    def _answer(self, request: Recorded) -> bytes:
        if b"/report" not in request.line:
            return _ANSWER
        length = 64 * 1024**2
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % length + b"x" * length

    def _read(self, stream: BinaryIO) -> Recorded | None:
        head = b""
        while not head.endswith(_END):
            line = stream.readline()
            if not line:
                if head:
                    raise ValueError(f"a request that breaks off: {head!r}")
                return None
            if not line.endswith(b"\r\n"):
                raise ValueError(f"a line without its end: {line!r}")
            head += line
        request = Recorded(head[: -len(_END)], b"")
        told = dict(request.headers)
        if len(told) != len(request.headers):
            raise ValueError(f"a header twice: {head!r}")
        if told.get(b"transfer-encoding") == b"chunked":
            return Recorded(request.head, self._chunks(stream))
        return Recorded(request.head, stream.read(int(told.get(b"content-length", b"0"))))

    @staticmethod
    def _chunks(stream: BinaryIO) -> bytes:
        body = b""
        while size := int(stream.readline(), 16):
            body += stream.read(size)
            if stream.read(2) != b"\r\n":
                raise ValueError("a chunk without its end")
        if stream.readline() != b"\r\n":
            raise ValueError("trailer fields")
        return body
