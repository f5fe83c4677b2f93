"""The suite from Python: log in, predict, detect, plan."""

import ssl
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from futago.anomaly_calls import AnomalyCalls
from futago.audit_calls import AuditCalls
from futago.connection import PAGE_LIMIT, Connection, path_part
from futago.credentials import Credentials
from futago.errors import InvalidInput
from futago.event_calls import EventCalls
from futago.experiment_calls import ExperimentCalls
from futago.job import Job
from futago.key_calls import KeyCalls
from futago.planner_calls import PlannerCalls
from futago.twin_calls import TwinCalls
from futago.waiting import wait_for_result
from futago.wire import JsonObject
from shared.clock import SystemClock


class Client(TwinCalls, ExperimentCalls, AnomalyCalls, PlannerCalls, AuditCalls, KeyCalls, EventCalls):
    """One caller's view of the suite, through its gateway.

    Nothing is sent before the first call; tokens are fetched and renewed as needed. Calls that do no harm when they
    happen twice are repeated a few times when the suite is busy. Safe to share between threads.

    Parameters
    ----------
    url
        Address of the gateway; left out, it stands in the credentials.
    username, password
        A user of the suite; or
    api_key
        a key made for a program; or
    credentials
        the file that `futago up` wrote (`var/credentials.json`). With both a password and a key in it, the password
        is used, because a key may be allowed less.
    ca_file
        The authority (PEM) that the gateway's certificate comes from, where it is not one this machine trusts; left
        out, it stands in the credentials. A certificate is always checked.
    ask_code
        Called for a code of the second factor whenever a login needs one.
    timeout_s
        Longest time without a sign of life in one request [s].
    attempts
        How often one call is sent at most.
    transport, sleep
        For tests.

    Raises
    ------
    InvalidInput
        If no address is given, or it is not one of HTTP, or the authority's file cannot be used.
    CredentialsMissing
        If the credentials file cannot be used.

    Examples
    --------
    >>> from futago import Client
    >>> with Client("http://127.0.0.1:8080", "admin", "secret") as suite:  # doctest: +SKIP
    ...     suite.predict({"temp": 360, "pressure": 6.0, "flow": 100})["prediction"]
    84.9
    """

    def __init__(
        self,
        url: str | None = None,
        username: str | None = None,
        password: str | None = None,
        *,
        api_key: str | None = None,
        credentials: Path | str | None = None,
        ca_file: Path | str | None = None,
        ask_code: Callable[[], str] | None = None,
        timeout_s: float = 30.0,
        attempts: int = 4,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        caller = _caller(url, username, password, api_key, credentials)
        self.url = caller.url
        self._http = httpx.Client(
            base_url=caller.url,
            timeout=timeout_s,
            transport=transport,
            verify=_checked_against(ca_file or caller.ca_file) if caller.url.startswith("https:") else True,
            headers={"Accept": "application/json"},
            # A proxy cannot reach this machine's loopback address, and a password has no business there.
            trust_env=not _is_loopback(caller.url),
        )
        self._clock = SystemClock()
        self._sleep = sleep
        self._api = Connection(self._http, caller, attempts=attempts, clock=self._clock, sleep=sleep, ask_code=ask_code)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the tokens end by themselves, or at once with `logout`."""
        self._http.close()

    def login(self, code: str | None = None) -> None:
        """Log in now instead of at the first call.

        Parameters
        ----------
        code
            From the authenticator app, or a recovery code, where the user has a second factor.

        Raises
        ------
        SecondFactorRequired
            If a code is needed, none is given, and there is no `ask_code`.
        AuthenticationError
            If user name, password or code is wrong.
        """
        self._api.login(code)

    def logout(self) -> None:
        """Make the suite forget this caller's tokens."""
        self._api.logout()

    def me(self) -> JsonObject:
        """Who the suite takes the caller for: user, role, scopes."""
        return self._api.get("/api/v1/auth/me")

    # --- jobs and alerts ---

    def job(self, job_id: str) -> Job:
        """One look at a job."""
        return Job.of(self._api.get(f"/api/v1/jobs/{path_part(job_id)}"))

    def jobs(self, limit: int = PAGE_LIMIT) -> list[Job]:
        """The newest jobs."""
        return [Job.of(item) for item in self._api.items("/api/v1/jobs", limit)]

    def wait(self, job: Job | str, timeout_s: float = 600.0, on_progress: Callable[[Job], None] | None = None) -> Job:
        """Wait until a job has ended well.

        Parameters
        ----------
        on_progress
            Called with the job whenever it has moved.

        Raises
        ------
        JobFailed
            If it failed or was cancelled.
        WaitTimeout
            If it is not done in time; the job itself goes on.
        ConnectionFailed, Unavailable
            If the suite has not answered for a minute.
        """
        seen = job if isinstance(job, Job) else self.job(job)
        return wait_for_result(
            seen,
            lambda: self.job(seen.id),
            timeout_s=timeout_s,
            on_progress=on_progress,
            clock=self._clock,
            sleep=self._sleep,
        )

    def cancel(self, job: Job | str) -> Job:
        """Ask for a job to be stopped."""
        job_id = job.id if isinstance(job, Job) else job
        return Job.of(self._api.command(f"/api/v1/jobs/{path_part(job_id)}/cancel"))

    def alerts(self, limit: int = PAGE_LIMIT) -> list[JsonObject]:
        """The newest alerts of the whole suite."""
        return self._api.items("/api/v1/alerts", limit)

    def acknowledge(self, alert_id: str) -> JsonObject:
        """Say that a person has seen an alert."""
        return self._api.command(f"/api/v1/alerts/{path_part(alert_id)}/acknowledge")


def _caller(
    url: str | None, username: str | None, password: str | None, api_key: str | None, credentials: Path | str | None
) -> Credentials:
    known = Credentials.read(Path(credentials)) if credentials is not None else None
    address = (url or (known.url if known else "")).rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise InvalidInput(f"the address of the gateway has to begin with http:// or https://, not {address!r}")
    ca_file = known.ca_file if known is not None else None
    if api_key is not None:
        return Credentials(address, api_key=api_key, ca_file=ca_file)
    if username is not None:
        return Credentials(address, username, password, ca_file=ca_file)
    if known is not None and known.username and known.password:
        return Credentials(address, known.username, known.password, ca_file=ca_file)
    return Credentials(address, api_key=known.api_key if known else None, ca_file=ca_file)


def _checked_against(ca_file: Path | str | None) -> ssl.SSLContext:
    if ca_file is None:
        # Authorities of one's own may also stand in the file that SSL_CERT_FILE names, as for every OpenSSL program.
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        raise InvalidInput(f"{ca_file} holds no certificate of an authority: {error.strerror or error}") from error


def _is_loopback(url: str) -> bool:
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
