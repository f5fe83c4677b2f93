"""Stand-ins for what the gateway's use cases need: they keep what they are given, and can be told to fail."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.gateway.domain.api_keys import ApiKey
from services.gateway.domain.audit import Event, Source
from services.gateway.domain.claims import AccessClaims
from services.gateway.domain.credentials import Stamp
from services.gateway.domain.delegation import Check, Shown
from services.gateway.domain.doorman import Admission, Charge
from services.gateway.domain.errors import (
    ChangedMeanwhile,
    RedisAway,
    RefreshRejected,
    TokenRejected,
    TooManyAttempts,
    UserExists,
    UserMissing,
    WrongCredentials,
)
from services.gateway.domain.key_errors import ApiKeyMissing, TooManyKeys
from services.gateway.domain.key_requests import KeyFilter
from services.gateway.domain.key_rights import KeyCheck
from services.gateway.domain.pages import Page
from services.gateway.domain.rate_limit import Decision, Limit
from services.gateway.domain.refresh import Family, RefreshToken, Verdict, judge
from services.gateway.domain.sessions import Tell
from services.gateway.domain.user_store import UserChange, apply_change, check_not_last
from services.gateway.domain.users import User
from shared.principal import ROLE_PERMISSIONS, Principal, Role

NOW = datetime(2026, 4, 1, tzinfo=UTC)
SOURCE = Source("192.0.2.1", "request-1")


class FakeClock:
    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment

    def monotonic_s(self) -> float:
        return self.moment.timestamp()

    def advance(self, **span: float) -> None:
        self.moment += timedelta(**span)


def user(username: str = "olga", role: Role = Role.OPERATOR, **changes: object) -> User:
    plain = User(username, role, f"hash of {username}'s", True, 1, (), NOW, NOW)
    return replace(plain, **changes)


def principal(username: str = "olga", role: Role = Role.OPERATOR, **changes: object) -> Principal:
    return replace(Principal(username, role, ROLE_PERMISSIONS[role]), **changes)


def unchecked(*_: object) -> None:
    """Whoever asks may."""


class FakeUsers:
    def __init__(self, users: Iterable[User] = ()) -> None:
        self.rows = {row.username: row for row in users}

    async def get(self, username: str) -> User:
        if username not in self.rows:
            raise UserMissing(username)
        return self.rows[username]

    async def add(self, new: User) -> None:
        if new.username in self.rows:
            raise UserExists(new.username)
        self.rows[new.username] = new

    async def page(self, *, limit: int, cursor: str | None, shown: Shown) -> Page[User]:
        found = [row for row in self.rows.values() if shown(row.username, row.assets)]
        return Page(tuple(found[:limit]), None)

    async def change(self, username: str, change: UserChange, now: datetime, *, check: Check) -> User:
        check(await self.get(username))
        self.rows[username] = apply_change(await self.get(username), change, other_admins=self._others(username))
        return self.rows[username]

    async def set_password(
        self,
        username: str,
        password_hash: str,
        now: datetime,
        *,
        check: Check,
        short: bool = False,
        given: bool = False,
        keys_too: bool = False,
    ) -> User:
        before = await self.get(username)
        check(before)
        changed = {"password_hash": password_hash, "short_password": short, "given_password": given}
        self.rows[username] = replace(before, generation=before.generation + 1, **changed)
        return self.rows[username]

    async def note_login(self, username: str, now: datetime) -> None:
        self.rows[username] = replace(self.rows[username], last_login_at=now)

    async def replace_hash(self, username: str, old: str, new: str) -> None:
        if self.rows[username].password_hash == old:
            self.rows[username] = replace(self.rows[username], password_hash=new)

    async def delete(self, username: str, now: datetime, *, check: Check) -> User:
        before = await self.get(username)
        check(before)
        check_not_last(before, other_admins=self._others(username))
        del self.rows[username]
        return replace(before, active=False, generation=before.generation + 1)

    def _others(self, username: str) -> int:
        others = (row for row in self.rows.values() if row.username != username)
        return sum(row.role is Role.ADMIN and row.active and not row.assets for row in others)


class FakeHasher:
    """A password's hash is `hash of <password>`, formerly `old hash of <password>`; counts how often it worked."""

    def __init__(self) -> None:
        self.verified = 0

    def is_outdated(self, password_hash: str) -> bool:
        return password_hash.startswith("old ")

    async def hash(self, password: str) -> str:
        return f"hash of {password}"

    async def verify(self, password: str, password_hash: str) -> bool:
        self.verified += 1
        return password_hash.removeprefix("old ") == f"hash of {password}"

    async def verify_nobody(self) -> None:
        self.verified += 1


class FakeTokens:
    """Texts of tokens are numbers."""

    def __init__(self) -> None:
        self.issued: dict[str, AccessClaims] = {}

    def issue(self, claims: AccessClaims) -> str:
        text = f"token-{len(self.issued)}"
        self.issued[text] = claims
        return text

    def read(self, text: str) -> AccessClaims:
        if text not in self.issued:
            raise TokenRejected
        return self.issued[text]


class FakeFamilies:
    def __init__(self, audit: "FakeAudit | None" = None) -> None:
        self.audit = audit
        self.families: dict[str, Family] = {}
        self.tokens: dict[bytes, RefreshToken] = {}
        self.newest_generation = 1

    async def open(self, family: Family, token: RefreshToken, *, generation: int) -> None:
        if generation != self.newest_generation:
            raise WrongCredentials
        self.families[family.family_id] = family
        self.tokens[token.digest] = token

    async def family(self, family_id: str) -> Family:
        if family_id not in self.families:
            raise RefreshRejected
        return self.families[family_id]

    async def rotate(
        self, digest: bytes, successor_digest: bytes, *, now: datetime, idle: timedelta, tell: Tell
    ) -> tuple[Verdict, Family]:
        if digest not in self.tokens:
            raise RefreshRejected
        token = self.tokens[digest]
        family = self.families[token.family_id]
        verdict = judge(token, family, now)
        if verdict is Verdict.ROTATE:
            self.tokens[digest] = replace(token, spent_at=now)
            self.tokens[successor_digest] = RefreshToken(successor_digest, token.family_id, now + idle, None)
        elif verdict is Verdict.REVOKE_FAMILY:
            await self.revoke(token.family_id, now)
        if (event := tell(verdict, family)) is not None and self.audit is not None:
            await self.audit.record(event)
        return verdict, family

    async def revoke(self, family_id: str, now: datetime) -> None:
        self.families[family_id] = replace(self.families[family_id], revoked_at=now)


class FakeKeys:
    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self.rows = {key.key_id: key for key in keys}

    async def get(self, key_id: str) -> ApiKey:
        if key_id not in self.rows:
            raise ApiKeyMissing(key_id)
        return self.rows[key_id]

    # Owners are kept elsewhere: what is checked in the transaction is seen on a database.
    async def add(self, key: ApiKey, *, check: KeyCheck, most: int | None = None) -> None:
        if most is not None and sum(row.owner == key.owner for row in self.rows.values()) >= most:
            raise TooManyKeys(most)
        self.rows[key.key_id] = key

    async def page(
        self, wanted: KeyFilter, *, now: datetime, limit: int, cursor: str | None, shown: Shown
    ) -> Page[ApiKey]:
        found = [
            key
            for key in self.rows.values()
            if shown(key.owner, key.assets)
            and wanted.owner in {None, key.owner}
            and wanted.state in {None, key.state(now)}
            and (wanted.expires_before is None or key.expires_at < wanted.expires_before)
        ]
        return Page(tuple(found[:limit]), None)

    async def replace(self, key: ApiKey, *, check: KeyCheck) -> ApiKey:
        if (await self.get(key.key_id)).generation != key.generation:
            raise ChangedMeanwhile
        self.rows[key.key_id] = replace(key, generation=key.generation + 1)
        return self.rows[key.key_id]

    async def delete(self, key: ApiKey, *, check: KeyCheck) -> ApiKey:
        return self.rows.pop(key.key_id)


class FakeRedis:
    """Floors, the gate and the throttle in one: `away` makes all of them raise."""

    def __init__(self) -> None:
        self.away = False
        self.floors: dict[str, int] = {}
        self.counted: list[str] = []
        self.attempts: list[tuple[str, str]] = []
        self.known: list[tuple[str, str]] = []
        self.attempts_allowed = 100
        self.requests_allowed = 100

    async def require_reachable(self) -> None:
        if self.away:
            raise RedisAway

    async def raise_to(self, *stamps: Stamp) -> None:
        await self.require_reachable()
        self.floors |= {stamp.name: stamp.generation for stamp in stamps}


class FakeGate:
    """Asks `redis` each time, unless something is `on_loan`."""

    def __init__(self, redis: FakeRedis) -> None:
        self.redis = redis
        self.era = 0
        self.on_loan = 0

    def admit_at_once(self, charge: Charge, stamps: tuple[Stamp, ...]) -> Decision | None:
        if not self.on_loan or self._ended(stamps):
            return None
        self.on_loan -= 1
        return Decision(allowed=True, remaining=self.on_loan, retry_after_s=0.0, reset_after_s=1.0)

    async def admit(self, charges: Sequence[Charge], stamps: tuple[Stamp, ...], *, at_this_moment: bool) -> Admission:
        await self.redis.require_reachable()
        if self._ended(stamps):
            return Admission(stale=True, decisions=())
        self.redis.counted += [charge.who for charge in charges]
        left = self.redis.requests_allowed - len(self.redis.counted)
        decision = Decision(left >= 0, max(left, 0), 0.0 if left >= 0 else 7.0, 1.0)
        return Admission(stale=False, decisions=(decision,) * len(charges))

    def _ended(self, stamps: tuple[Stamp, ...]) -> bool:
        return any(self.redis.floors.get(stamp.name, 0) > stamp.generation for stamp in stamps)


class FakeThrottle:
    def __init__(self, redis: FakeRedis) -> None:
        self.redis = redis

    async def admit(self, username: str, address: str) -> None:
        await self.redis.require_reachable()
        self.redis.attempts.append((username, address))
        if len(self.redis.attempts) > self.redis.attempts_allowed:
            raise TooManyAttempts(30.0)

    async def admit_code(self, username: str, address: str) -> None:
        await self.admit(f"code of {username}", address)

    async def remember(self, username: str, address: str) -> None:
        self.redis.known.append((username, address))

    async def forgive(self, username: str, address: str) -> None:
        self.redis.attempts = [attempt for attempt in self.redis.attempts if attempt != (username, address)]


class FakeAudit:
    def __init__(self) -> None:
        self.events: list[Event] = []

    async def record(self, event: Event) -> None:
        self.events.append(event)

    @asynccontextmanager
    async def together(self, event: Event) -> AsyncIterator[None]:
        yield
        self.events.append(event)

    def said(self) -> list[tuple[str, str, str, bool]]:
        return [(event.user, event.action, event.resource, event.success) for event in self.events]


class FakeCounter:
    """A local limit that lets a number of requests in."""

    def __init__(self, allowed: int = 100) -> None:
        self.allowed = allowed
        self.counted: list[str] = []

    def admit(self, who: str, limit: Limit) -> Decision:
        self.counted.append(who)
        left = self.allowed - len(self.counted)
        return Decision(left >= 0, max(left, 0), 0.0 if left >= 0 else 5.0, 1.0)

    def has_room(self, who: str, limit: Limit) -> bool:
        return len(self.counted) < self.allowed


class Entropy:
    """Different bytes at each call, the same in each run."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, size: int) -> bytes:
        self.calls += 1
        return bytes((self.calls + index) % 256 for index in range(size))
