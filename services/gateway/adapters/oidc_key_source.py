"""The keys of one identity provider: fetched ahead of their use, and again when a token names one that is not known."""

import asyncio
import contextlib
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import Counter

from services.gateway.adapters.oidc_keys import PublicKey, read_key_set
from services.gateway.domain.errors import IdentityProviderAway
from services.gateway.domain.external_identity import IdentityProvider
from shared.clock import Clock
from shared.http.tls import client_context
from shared.log import get_logger

log = get_logger(__name__)

DISCOVERY = "/.well-known/openid-configuration"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# Far more than any provider's documents have.
_MAX_BYTES = 512 * 1024
_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class FetchTimes:
    """How often a provider is asked, and for how long its answer holds.

    Parameters
    ----------
    every_s
        Between two fetches when nothing happens: a key that the provider withdrew is not trusted for longer [s].
    not_before_s
        Between two fetches, whatever tokens name: a flood of made-up key ids must not become a flood of fetches [s].
    usable_s
        How long keys go on to count while the provider does not answer [s].
    answer_s
        How long a fetch may take as a whole, however the answer drips in [s].
    """

    every_s: float = 300.0
    not_before_s: float = 10.0
    usable_s: float = 24 * 3600.0
    answer_s: float = _ANSWER_S


class KeySource:
    """Finds the keys of one provider; nothing in a token decides where they are fetched.

    Parameters
    ----------
    jwks_uri
        Where the key set lies; `None` to read it in the provider's discovery document.
    http
        Made by `open_http`; closed with this.
    fetches
        Counts by provider and outcome.
    """

    def __init__(
        self,
        provider: IdentityProvider,
        jwks_uri: str | None,
        *,
        http: httpx.AsyncClient,
        clock: Clock,
        fetches: Counter,
        times: FetchTimes = FetchTimes(),
    ) -> None:
        self.provider = provider
        self._jwks_uri = jwks_uri
        self._http = http
        self._clock = clock
        self._fetches = fetches
        self._times = times
        self._keys: dict[tuple[str, str], PublicKey] = {}
        self._fetched_at_s: float | None = None
        self._asked_at_s: float | None = None
        self._flight: asyncio.Task[None] | None = None

    async def key(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        """The key of this id for this algorithm, `None` if the provider has none.

        Parameters
        ----------
        key_id
            `None` for the provider's only key: where there are several, a token has to name one (OpenID Connect
            Core 1.0, section 10.1).

        Raises
        ------
        IdentityProviderAway
            If the provider's keys are not known, or were fetched too long ago, and it does not answer.
        """
        if not self._usable or self._find(key_id, algorithm) is None:
            await self.refresh()
        if not self._usable:
            raise IdentityProviderAway(self.provider.name, retry_after_s=max(1.0, self._wait_s))
        return self._find(key_id, algorithm)

    async def run(self) -> None:
        """Fetch the keys now and then, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._times.every_s if self._usable else self._times.not_before_s)

    async def aclose(self) -> None:
        """End what is being fetched and let go of the connections."""
        if (flight := self._flight) is not None:
            flight.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await flight
        await self._http.aclose()

    async def refresh(self) -> None:
        """Fetch the keys, unless that was tried a moment ago; all who ask meanwhile wait for one fetch."""
        if self._flight is None:
            if self._wait_s > 0:
                return
            self._asked_at_s = self._clock.monotonic_s()
            self._flight = asyncio.create_task(self._fetch())
            self._flight.add_done_callback(self._land)
        # A caller who leaves must not end the fetch that others wait for.
        await asyncio.shield(self._flight)

    def _find(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        if key_id is not None:
            return self._keys.get((key_id, algorithm))
        only = next(iter(self._keys.items())) if len(self._keys) == 1 else None
        return only[1] if only is not None and only[0][1] == algorithm else None

    @property
    def _usable(self) -> bool:
        if self._fetched_at_s is None:
            return False
        return self._clock.monotonic_s() - self._fetched_at_s < self._times.usable_s

    @property
    def _wait_s(self) -> float:
        if self._asked_at_s is None:
            return 0.0
        return max(0.0, self._asked_at_s + self._times.not_before_s - self._clock.monotonic_s())

    def _land(self, _flight: asyncio.Task[None]) -> None:
        self._flight = None

    async def _fetch(self) -> None:
        name = self.provider.name
        try:
            async with asyncio.timeout(self._times.answer_s):
                uri = self._jwks_uri or await self._discover()
                keys = read_key_set(await self._get(uri), self.provider.algorithms)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, TimeoutError, ValueError, RecursionError) as error:
            self._fetches.labels(name, "failed").inc()
            log.warning("identity_provider_keys_not_fetched", provider=name, error=_reason(error))
            return
        self._fetches.labels(name, "fetched").inc()
        self._keys, self._fetched_at_s = keys, self._clock.monotonic_s()

    async def _discover(self) -> str:
        """The address of the key set, out of a document that names the same issuer (OpenID Connect Discovery 4.3)."""
        document = await self._get(self.provider.issuer.rstrip("/") + DISCOVERY)
        uri = document.get("jwks_uri") if isinstance(document, dict) else None
        if not isinstance(uri, str) or document.get("issuer") != self.provider.issuer:
            raise ValueError("the discovery document is another issuer's, or names no key set")
        if not is_safe_address(uri):
            raise ValueError("the key set is not at an address of https")
        return uri

    async def _get(self, url: str) -> Any:
        async with self._http.stream("GET", url) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"{url} answered {response.status_code}")
            body = bytearray()
            # Raw, as a few bytes that are compressed can be very many.
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise ValueError(f"{url} is too long")
        return json.loads(body)


def open_http(ca_file: Path | None) -> httpx.AsyncClient:
    """Make a client that goes where it is sent and nowhere else; whoever asks for it closes it.

    Parameters
    ----------
    ca_file
        Certificates (PEM) that the provider's is checked against; `None` for those that the world trusts.

    Raises
    ------
    OSError
        If the file cannot be read, or holds no certificate.
    """
    return httpx.AsyncClient(
        verify=client_context(ca_file),
        follow_redirects=False,
        # A proxy named in the environment would see, and could change, who is trusted.
        trust_env=False,
        # Of each step; the whole fetch has its limit in `FetchTimes`.
        timeout=_ANSWER_S,
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    )


def is_safe_address(url: str) -> bool:
    """Whether nobody on the way can change what is fetched there: TLS, or this machine itself."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    if not address.host or address.userinfo:
        return False
    return address.scheme == "https" or (address.scheme == "http" and address.host in _LOOPBACK)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
