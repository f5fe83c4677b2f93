"""TLS of the gateway's own process, with the certificate that `futago up --tls` makes."""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from futago import Client
from futago.errors import ConnectionFailed
from futago.launcher.certificate import TlsFiles, make_certificate
from futago.launcher.home import Home
from services.gateway.adapters.transport import open_transport
from shared.http.tls import ServerCertificate, client_context
from tests.integration.conftest import Valkey, free_port
from tests.integration.gateway.wire.gateway_process import (
    ADDRESS,
    GatewayProcess,
    gateway_process,
    read_to_the_end,
    trusting,
)
from tests.integration.gateway.wire.recorder import Recorder

NAMES = ("localhost", ADDRESS, "::1")
REDIRECT_PORT = free_port()
RELOADED_WITHIN_S = 30.0
TIMEOUTS_S = {"connect": 5.0, "pool": 5.0, "read": 5.0}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    # Made as if long ago: it is still good, and a later one differs.
    return make_certificate(Home(tmp_path_factory.mktemp("tls")), NAMES, datetime.now(UTC) - timedelta(days=100))


@pytest.fixture(scope="module")
def tls_gateway(
    files: TlsFiles, services: Recorder, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    told = {
        "GATEWAY_TLS_CERT_FILE": str(files.certificate),
        "GATEWAY_TLS_KEY_FILE": str(files.key),
        "GATEWAY_REDIRECT_PORT": str(REDIRECT_PORT),
        "GATEWAY_HEAD_TIMEOUT_S": "1",
    }
    folder = tmp_path_factory.mktemp("tls-gateway")
    with gateway_process(folder, valkey.url, services.url, told, authority=files.authority) as gateway:
        yield gateway


def handshake(gateway: GatewayProcess, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(gateway.connect(), server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_today_s_versions_are_spoken_with_forward_secrecy(
    tls_gateway: GatewayProcess, files: TlsFiles, version: ssl.TLSVersion
):
    context = trusting(files.authority)
    context.minimum_version = context.maximum_version = version
    with handshake(tls_gateway, context) as connection:
        name, _, bits = connection.cipher() or ("", "", 0)
        assert name.startswith(("ECDHE-", "TLS_"))
        assert bits >= 128
        assert connection.selected_alpn_protocol() is None
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert read_to_the_end(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_versions_of_the_past_are_refused(tls_gateway: GatewayProcess, files: TlsFiles, version: str):
    context = trusting(files.authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol"):
        handshake(tls_gateway, context)


def test_ciphers_without_forward_secrecy_are_refused(tls_gateway: GatewayProcess, files: TlsFiles):
    context = trusting(files.authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:AES256-SHA256:AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA")
    with pytest.raises(ssl.SSLError):
        handshake(tls_gateway, context)


def test_plain_http_on_the_port_of_tls_gets_no_answer_and_no_service(tls_gateway: GatewayProcess, recorder: Recorder):
    answer = tls_gateway.say(b"GET /api/v1/twin/models HTTP/1.1\r\nHost: x\r\n" + tls_gateway.key_line + b"\r\n")
    assert b"HTTP/1.1 2" not in answer
    assert recorder.asked() == []
    assert b"Traceback" not in tls_gateway.log.read_bytes()


def test_who_never_finishes_the_handshake_is_closed(tls_gateway: GatewayProcess):
    with tls_gateway.connect() as connection:
        connection.settimeout(8)
        connection.sendall(bytes.fromhex("1603010200"))
        read_to_the_end(connection)


def test_browsers_are_told_to_insist_on_tls_with_refusals_too(tls_gateway: GatewayProcess, files: TlsFiles):
    with httpx.Client(base_url=tls_gateway.url, verify=trusting(files.authority), trust_env=False) as client:
        for answer in (client.get("/healthz"), client.get("/api/v1/twin/models"), client.get("/nowhere")):
            assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize(
    ("request_head", "location"),
    [
        (b"GET /docs?a=b HTTP/1.1\r\nHost: localhost:80\r\n", "https://localhost:{port}/docs?a=b"),
        (b"HEAD /docs/swagger-ui.css HTTP/1.1\r\nHost: plant.example\r\n", "https://plant.example:{port}/docs/swagger-ui.css"),
        (b"GET / HTTP/1.1\r\nHost: [::1]:8000\r\n", "https://[::1]:{port}/"),
        (b"GET / HTTP/1.1\r\nHost: a@evil\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: evil/x\r\n", None),
        (b"GET /docs/%0d%0aSet-Cookie:a HTTP/1.1\r\nHost: a\r\n", "https://a:{port}/docs/%0d%0aSet-Cookie:a"),
    ],
)  # fmt: skip
def test_plain_http_on_its_own_port_is_sent_to_tls(
    tls_gateway: GatewayProcess, request_head: bytes, location: str | None
):
    with socket.create_connection((ADDRESS, REDIRECT_PORT), timeout=5) as connection:
        connection.sendall(request_head + b"\r\n")
        answer = read_to_the_end(connection)
    head = answer.decode().lower()
    assert head.startswith("http/1.1 400 " if location is None else "http/1.1 308 ")
    assert ("location:" in head) is (location is not None)
    if location is not None:
        assert f"location: {location.format(port=tls_gateway.port)}\r\n".lower() in head
    assert "strict-transport-security" not in head
    assert "\r\nset-cookie" not in head


@pytest.mark.parametrize(
    "request_line", [b"POST /api/v1/auth/login", b"GET /api/v1/twin/models", b"GET /docsx", b"POST /docs", b"GET /v2"]
)
def test_a_program_that_speaks_plain_http_is_refused_and_not_sent_on(tls_gateway: GatewayProcess, request_line: bytes):
    head = request_line + b" HTTP/1.1\r\nHost: plant.example\r\nX-Request-ID: mine\r\n\r\n"
    with socket.create_connection((ADDRESS, REDIRECT_PORT), timeout=5) as connection:
        connection.sendall(head)
        answer = read_to_the_end(connection)
    says, _, body = answer.partition(b"\r\n\r\n")
    assert says.startswith(b"HTTP/1.1 403 ")
    assert b"application/problem+json" in says
    assert b"location:" not in says.lower()
    problem = json.loads(body)
    assert (problem["code"], problem["request_id"]) == ("request.tls_required", "mine")


def test_the_client_trusts_the_authority_it_is_given_and_no_server_without_one(
    tls_gateway: GatewayProcess, files: TlsFiles
):
    with Client(tls_gateway.url, api_key=tls_gateway.key, ca_file=files.authority) as client:
        assert client.me()["user"] == "admin"
    with (
        Client(tls_gateway.url, api_key=tls_gateway.key, attempts=1) as stranger,
        pytest.raises(ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        stranger.me()


def test_a_renewed_certificate_is_used_without_a_restart(tls_gateway: GatewayProcess, files: TlsFiles):
    context = trusting(files.authority)
    before = _shown(tls_gateway, context)
    files.certificate.unlink()
    make_certificate(Home(files.certificate.parents[1]), NAMES)
    end_s = time.monotonic() + RELOADED_WITHIN_S
    while _shown(tls_gateway, context) == before:
        assert time.monotonic() < end_s, "the certificate was not renewed"
        time.sleep(0.3)


def _shown(gateway: GatewayProcess, context: ssl.SSLContext) -> bytes | None:
    with handshake(gateway, context) as connection:
        return connection.getpeercert(binary_form=True)


@pytest.fixture
def tls_service(files: TlsFiles) -> Iterator[Recorder]:
    recorder = Recorder(tls=ServerCertificate(files.certificate, files.key).context)
    yield recorder
    recorder.close()


async def test_a_service_behind_tls_is_reached_if_its_authority_is_trusted(files: TlsFiles, tls_service: Recorder):
    request = httpx.Request("GET", f"{tls_service.url}/api/v1/twin/models", extensions={"timeout": TIMEOUTS_S})
    async with open_transport(client_context(files.authority)) as transport:
        answer = await transport.handle_async_request(request)
        assert (answer.status_code, await answer.aread()) == (200, b"{}")
    async with open_transport(client_context(None)) as transport:
        with pytest.raises(httpx.TransportError):
            await transport.handle_async_request(request)
    assert len(tls_service.requests) == 1
