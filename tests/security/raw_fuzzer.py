"""Spoiled requests over raw sockets, through the gateway and past it: none may be answered with 5xx or end a process.

`python -m tests.security.raw_fuzzer --count 100000 --seed 1` starts a suite, sends them, and ends with 1 if anything
was found. The same count and seed make the same requests.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.gateway.domain.access import Service
from shared.clock import SystemClock
from shared.internal_token import HEADER, InternalTokenSigner
from shared.jwt import TokenSigner
from shared.principal import ROLE_PERMISSIONS, Principal, Role
from tests.security.raw_mutations import mutated
from tests.security.raw_requests import ANOMALY, GATEWAY, PLANNER, TWIN, HeaderList, RawRequest
from tests.security.raw_wire import Answer, AnswerBroken, exchange
from tests.security.running_suite import ROOT, RunningSuite, running_suite

AT_ONCE = 64
# One in so many goes to a service's own port, with an identity that it believes.
_PAST_THE_GATEWAY = 5
_SEEDS: Mapping[str, Sequence[RawRequest]] = {
    Service.TWIN.value: TWIN,
    Service.ANOMALY.value: ANOMALY,
    Service.PLANNER.value: PLANNER,
}
_EVERYTHING = (*GATEWAY, *TWIN, *ANOMALY, *PLANNER)
# Caches, pools and compiled patterns fill up at first; from here on memory should not grow.
_WARM_SHARE = 0.2
_MAY_GROW_BY, _MAY_GROW_BYTES = 0.10, 24 * 1024**2
_SHOWN_FINDINGS = 20


@dataclass
class Report:
    """What came of it.

    Parameters
    ----------
    statuses
        How often each status was answered.
    unanswered
        Connections on which the server waited for more, or just closed.
    findings
        What must not be: a 5xx, an answer that is none, a refused connection, a process that died or grew.
    """

    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    unanswered: int = 0
    findings: list[str] = field(default_factory=list)
    memory_bytes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take(self, where: str, data: bytes, answers: Sequence[Answer]) -> None:
        """Count the answers of one connection and judge them."""
        self.unanswered += not answers
        for answer in answers:
            self.statuses[answer.status] += 1
            # Busy is an answer where it says when to come back; anything else is a fault of ours.
            if answer.status >= 500 and not (answer.status == 503 and b"retry-after" in answer.headers):
                self.found(where, data, f"{answer.status} {answer.body[:300]!r}")

    def found(self, where: str, data: bytes, what: str) -> None:
        """Note a finding with the request that led to it."""
        self.findings.append(f"{where}: {what}\n    request: {data[:3000]!r}")

    def text(self) -> str:
        """The report in words."""
        grown = [
            f"  {name}: {warm / 2**20:.0f} MiB after {_WARM_SHARE:.0%}, {end / 2**20:.0f} MiB at the end"
            for name, (warm, end) in self.memory_bytes.items()
        ]
        counted = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        lines = [f"{self.sent} requests; {counted}; without an answer: {self.unanswered}", *grown]
        lines += [f"{len(self.findings)} findings", *self.findings[:_SHOWN_FINDINGS]]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Shot:
    """Some requests for one connection."""

    where: str
    port: int
    data: bytes
    requests: int


async def fuzz(suite: RunningSuite, *, count: int, seed: int) -> Report:
    """Send `count` spoiled requests and judge what comes back."""
    report, before = Report(), suite.processes()
    shots = _shots(suite, count, seed)
    warm: Mapping[str, int] = {}

    async def work() -> None:
        nonlocal warm
        for shot in shots:
            report.sent += shot.requests
            if not warm and report.sent >= _WARM_SHARE * count:
                warm = suite.memory_bytes()
            try:
                report.take(shot.where, shot.data, await exchange(shot.port, shot.data))
            except (AnswerBroken, OSError, ValueError) as error:
                report.found(shot.where, shot.data, repr(error))

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    end = suite.memory_bytes()
    report.memory_bytes = {name: (warm[name], end[name]) for name in warm}
    for name, (warm_bytes, end_bytes) in report.memory_bytes.items():
        if end_bytes > warm_bytes * (1 + _MAY_GROW_BY) + _MAY_GROW_BYTES:
            report.findings.append(f"{name}: its memory grew from {warm_bytes} to {end_bytes} bytes")
    if suite.processes() != before:
        report.findings.append(f"processes died: {before} before, {suite.processes()} after")
    report.findings += suite.logged_faults()
    return report


def _shots(suite: RunningSuite, count: int, seed: int) -> Iterator[Shot]:
    """Connections with one to four requests each; the same for the same seed, but for credentials and ports."""
    rng = random.Random(seed)
    ports, gateway = suite.ports(), int(suite.url.rpartition(":")[2])
    credentials = _credentials(suite)
    signer = InternalTokenSigner(TokenSigner((suite.home.keys / "identity.pem").read_bytes()), SystemClock())
    left = count
    while left > 0:
        requests = min(left, rng.choice((1, 1, 1, 2, 4)))
        left -= requests
        past = rng.randrange(_PAST_THE_GATEWAY) == 0
        where = rng.choice(list(_SEEDS)) if past else Service.GATEWAY.value
        port = ports[where] if past else gateway
        data = b""
        for _ in range(requests):
            role = rng.choice((Role.ENGINEER, Role.ENGINEER, Role.ADMIN, None))
            credential = _identity(signer, where) if past else credentials[role]
            chosen = rng.choice(_SEEDS[where] if past else _EVERYTHING)
            data += mutated(rng, chosen, ((b"Host", b"127.0.0.1:%d" % port), *credential))
        yield Shot(where, port, data, requests)


def _credentials(suite: RunningSuite) -> Mapping[Role | None, HeaderList]:
    tokens = {role: suite.token(role).encode() for role in (Role.ENGINEER, Role.ADMIN)}
    return {None: (), **{role: ((b"Authorization", b"Bearer " + token),) for role, token in tokens.items()}}


def _identity(signer: InternalTokenSigner, audience: str) -> HeaderList:
    caller = Principal("fuzzer", Role.ADMIN, ROLE_PERMISSIONS[Role.ADMIN])
    return ((HEADER.encode(), signer.sign(caller, audience).encode()),)


def main(arguments: Sequence[str] | None = None) -> int:
    """Start a suite and attack it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="requests to send")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    compiled = ROOT / ".pytest_cache" / "d" / "planner-search"
    compiled.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="futago-fuzzer-") as folder,
        running_suite(Path(folder), compiled=compiled, demo_models=True) as suite,
    ):
        report = asyncio.run(fuzz(suite, count=asked.count, seed=asked.seed))
    sys.stdout.write(report.text() + "\n")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
