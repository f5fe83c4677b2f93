"""Fetches what the services say they serve."""

import asyncio
from collections.abc import Mapping

import aiohttp
import httpx

from services.gateway.domain.access import Service
from services.gateway.domain.documents import SuiteDocument
from services.gateway.domain.upstreams import Upstream
from shared.log import get_logger

log = get_logger(__name__)

_SOON_S = 1.0
_LATER_S = 60.0
_MAX_BYTES = 8 * 1024**2


class DocumentFetcher:
    """Asks each service for its document: often until it has answered once, then now and then."""

    def __init__(
        self, transport: httpx.AsyncBaseTransport, upstreams: Mapping[Service, Upstream], document: SuiteDocument
    ) -> None:
        self._transport = transport
        self._upstreams = upstreams
        self._document = document

    async def run(self) -> None:
        """Fetch until cancelled."""
        while True:
            await self.fetch_all()
            missing = self._upstreams.keys() - self._document.known
            await asyncio.sleep(_SOON_S if missing else _LATER_S)

    async def fetch_all(self) -> None:
        """Ask every service once; those that do not answer keep the document they had."""
        for upstream in self._upstreams.values():
            try:
                await self._fetch(upstream)
            except (httpx.TransportError, aiohttp.ClientError, ValueError) as error:
                log.debug("document_not_fetched", upstream=upstream.service, error=type(error).__name__)

    async def _fetch(self, upstream: Upstream) -> None:
        timeouts = {"connect": upstream.connect_timeout_s, "pool": upstream.connect_timeout_s, "read": 10.0}
        request = httpx.Request("GET", f"{upstream.base_url}/openapi.json", extensions={"timeout": timeouts})
        response = await self._transport.handle_async_request(request)
        try:
            body = await response.aread()
        finally:
            await response.aclose()
        if response.status_code == httpx.codes.OK and len(body) <= _MAX_BYTES:
            document = response.json()
            if isinstance(document, dict):
                self._document.learn(upstream.service, document)
