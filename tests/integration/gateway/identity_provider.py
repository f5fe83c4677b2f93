"""A real OpenID Connect provider, `oidc-provider-mock`, in a process of its own."""

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.integration.conftest import START_LIMIT_S, free_port

CLIENT = "futago"
# Made once: reading the world's certificates holds up the gateways in this process for longer than they wait for Redis.
_CERTIFICATES = ssl.create_default_context()


class ProviderProcess:
    """Knows some people by their claims; each start makes new keys."""

    def __init__(self, people: Iterable[Mapping[str, object]]) -> None:
        self._people = [json.dumps(person) for person in people]
        self._port = free_port()
        self.issuer = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        options = [option for person in self._people for option in ("--user-claims", person)]
        command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(self._port), *options]
        # Its own output speaks of its own dependencies.
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline_s = time.monotonic() + START_LIMIT_S
        while True:
            try:
                httpx.get(f"{self.issuer}/jwks", trust_env=False).raise_for_status()
            except httpx.TransportError:
                assert time.monotonic() < deadline_s, "the identity provider did not start"
                assert self._process.poll() is None, "the identity provider ended"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    async def log_in(self, subject: str, client: str = CLIENT) -> str:
        """The ID token of a login by the authorization code flow (OpenID Connect Core 1.0, section 3.1)."""
        back = "http://127.0.0.1/back"
        async with httpx.AsyncClient(base_url=self.issuer, trust_env=False, verify=_CERTIFICATES) as browser:
            asked = {"response_type": "code", "client_id": client, "redirect_uri": back, "scope": "openid profile"}
            consented = await browser.post("/oauth2/authorize", params=asked | {"nonce": "n1"}, data={"sub": subject})
            code = parse_qs(urlsplit(consented.headers["location"]).query)["code"][0]
            exchanged = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
            answer = await browser.post("/oauth2/token", data=exchanged | {"client_id": client, "client_secret": "any"})
        token = answer.json()["id_token"]
        assert isinstance(token, str)
        return token
