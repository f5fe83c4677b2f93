"""Stand-ins for second factors: an app whose code is its time step, and a store in memory."""

from dataclasses import replace
from datetime import datetime

from services.gateway.domain.delegation import Check
from services.gateway.domain.factor_errors import SecondFactorEnrolled, SecondFactorMissing, SecondFactorUnreadable
from services.gateway.domain.proofs import HashMaker, LoginThrottle, Prover
from services.gateway.domain.second_factor import Factor
from services.gateway.domain.users import User
from shared.clock import Clock
from tests.unit.gateway.fakes import FakeUsers

STEP_S = 30


def code_at(moment: datetime, steps: int = 0) -> str:
    """What the app shows at a moment, or some steps from it."""
    return f"{int(moment.timestamp()) // STEP_S % 1_000_000 + steps:06d}"


class FakeApps:
    """The code of a step is the step's number; the secret is not looked at."""

    def shown(self, secret: bytes) -> str:
        return secret.hex()

    def uri(self, secret: bytes, username: str) -> str:
        return f"otpauth://totp/{username}?secret={secret.hex()}"

    def step_of(self, code: str, secret: bytes, now: datetime) -> int | None:
        step = int(now.timestamp()) // STEP_S
        near = {code_at(now, steps): step + steps for steps in (-1, 0, 1)}
        return near.get(code)


class FakeSeals:
    def __init__(self) -> None:
        self.broken = False

    def seal(self, secret: bytes, owner: str) -> bytes:
        return f"{owner}:".encode() + secret[::-1]

    def open(self, sealed: bytes, owner: str) -> bytes:
        if self.broken:
            raise SecondFactorUnreadable
        return sealed.removeprefix(f"{owner}:".encode())[::-1]


class FakeFactors:
    """Keeps factors, and what they change about users and sessions."""

    def __init__(self, users: FakeUsers) -> None:
        self.users = users
        self.rows: dict[str, Factor] = {}
        self.codes: dict[str, set[bytes]] = {}
        self.kept_sessions: list[str | None] = []

    async def get(self, username: str) -> Factor:
        if username not in self.rows:
            raise SecondFactorMissing
        return self.rows[username]

    async def begin(self, factor: Factor) -> None:
        if self.users.rows[factor.username].second_factor:
            raise SecondFactorEnrolled
        self.rows[factor.username] = factor

    async def confirm(
        self, factor: Factor, *, step: int, digests: tuple[bytes, ...], now: datetime, kept_session: str | None
    ) -> User:
        if self.rows.get(factor.username) != factor:
            raise SecondFactorMissing
        self.rows[factor.username] = replace(factor, confirmed_at=now, last_step=step)
        self.codes[factor.username] = set(digests)
        self.kept_sessions.append(kept_session)
        return self._changed(factor.username, enrolled=True)

    async def use_step(self, username: str, step: int) -> bool:
        factor = self.rows[username]
        if factor.last_step is not None and step <= factor.last_step:
            return False
        self.rows[username] = replace(factor, last_step=step)
        return True

    async def use_recovery_code(self, username: str, digest: bytes) -> bool:
        present = digest in self.codes.get(username, set())
        self.codes.get(username, set()).discard(digest)
        return present

    async def replace_recovery_codes(self, username: str, digests: tuple[bytes, ...]) -> None:
        self.codes[username] = set(digests)

    async def remove(self, username: str, *, now: datetime, kept_session: str | None, check: Check) -> User:
        check(self.users.rows[username])
        if not self.users.rows[username].second_factor:
            raise SecondFactorMissing
        del self.rows[username], self.codes[username]
        self.kept_sessions.append(kept_session)
        return self._changed(username, enrolled=False)

    def _changed(self, username: str, *, enrolled: bool) -> User:
        before = self.users.rows[username]
        self.users.rows[username] = replace(before, second_factor=enrolled, generation=before.generation + 1)
        return self.users.rows[username]


class FakeWords:
    """Some of the words in everybody's lists."""

    async def words(self) -> frozenset[str]:
        return frozenset({"dragon", "sunshine", "internationalization"})


def prover(
    hasher: HashMaker, throttle: LoginThrottle, factors: FakeFactors, clock: Clock, seals: FakeSeals | None = None
) -> Prover:
    """The real one over fakes."""
    return Prover(
        hasher=hasher, throttle=throttle, factors=factors, seals=seals or FakeSeals(), apps=FakeApps(), clock=clock
    )
