"""Redis over TLS: the authority of the URL decides whom a client believes."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.exceptions import RedisError

from futago.launcher.certificate import TlsFiles, renew
from shared.redis_client import async_client, blocking_client


def certificate(folder: Path) -> TlsFiles:
    folder.mkdir()
    files = TlsFiles(folder / "authority.pem", folder / "server.pem", folder / "server.key.pem")
    renew(files, folder / "authority.key.pem", ["localhost", "127.0.0.1"], datetime.now(UTC))
    return files


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def behind_tls(url: str, files: TlsFiles) -> AsyncIterator[str]:
    """A server that speaks TLS in front of one that does not; gives its address."""
    plain = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(plain.hostname, plain.port)
        await asyncio.gather(carry(reader, inner_writer), carry(inner_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"rediss://:{plain.password}@localhost:{server.sockets[0].getsockname()[1]}/0"


async def test_a_client_believes_the_authority_it_was_given(redis_url: str, tmp_path: Path):
    files = certificate(tmp_path / "plant")
    async with behind_tls(redis_url, files) as url:
        known = f"{url}?ssl_ca_certs={files.authority}"
        async with async_client(known, timeout_s=5) as client:
            assert await client.ping()

        def ask() -> bool:
            with blocking_client(known, timeout_s=5) as client:
                return bool(client.ping())

        assert await asyncio.to_thread(ask)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_server_that_another_authority_vouches_for_is_refused(redis_url: str, tmp_path: Path):
    other = certificate(tmp_path / "other")
    async with behind_tls(redis_url, certificate(tmp_path / "plant")) as url:
        for known in (url, f"{url}?ssl_ca_certs={other.authority}"):
            async with async_client(known, timeout_s=5) as client:
                with pytest.raises(RedisError, match=r"(?i)certificate"):
                    await client.ping()
