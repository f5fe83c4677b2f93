"""Sessions and keys as a model says they are: whom it lets in comes in, whom it locks out never does.

Hypothesis makes up the lives: `FUTAGO_MODEL_STEPS=10000` takes that many steps instead of a few hundred.
"""

import asyncio
import base64
import json
import os
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from futago.key_rotation import KeyPairFiles, rotate
from services.gateway.adapters.access_tokens import AccessTokens
from services.gateway.adapters.key_files import open_access_keys
from services.gateway.adapters.sql_keys import SqlKeys
from services.gateway.adapters.sql_refresh import SqlRefresh
from services.gateway.adapters.sql_users import SqlUsers
from services.gateway.adapters.tables import migrate_gateway
from services.gateway.domain.credentials import (
    Authenticator,
    Credential,
    CredentialKind,
    Verified,
    user_stamp,
)
from services.gateway.domain.errors import FreshLoginRequired, RefreshRejected, WrongCredentials
from services.gateway.domain.fresh_login import FreshLogin
from services.gateway.domain.key_administration import KeyAdministration
from services.gateway.domain.key_requests import KeyChange, KeyRequest
from services.gateway.domain.rate_limit import Limit
from services.gateway.domain.session_desk import SessionDesk
from services.gateway.domain.sessions import Lifetimes, Sessions, TokenPair
from services.gateway.domain.user_store import UserChange
from shared.database import open_engine
from shared.principal import Permission, Role
from shared.token_keys import PublicKey, new_private_key, read_private_key, write_public_keys
from tests.unit.gateway.fake_factors import FakeFactors, prover
from tests.unit.gateway.fakes import (
    NOW,
    SOURCE,
    Entropy,
    FakeAudit,
    FakeClock,
    FakeHasher,
    FakeRedis,
    FakeThrottle,
    FakeUsers,
    principal,
    unchecked,
    user,
)
from tests.unit.gateway.session_model import Heard, ModelKey, ModelPair, ModelSession, ModelUser, Replica

T = TypeVar("T")
LIFETIMES = Lifetimes(access=timedelta(minutes=10), refresh_idle=timedelta(days=1), session=timedelta(days=3))
ROOT = Verified(principal("root", Role.ADMIN), NOW, ())
NAMES = ("olga", "paul")
STEPS_AN_EXAMPLE = 50
FEW_STEPS = 300
STEPS = int(os.environ.get("FUTAGO_MODEL_STEPS", FEW_STEPS))
# Of each kind, how many are tried after every step.
NEWEST = 4
REPLICAS = st.sampled_from([0, 1])
READING = frozenset({Permission.READ})


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables: making them takes longer than a whole life in them."""
    path = tmp_path_factory.mktemp("model") / "gateway.db"
    migrate_gateway(f"sqlite:///{path}")
    return path


class SessionMachine(RuleBasedStateMachine):
    """Two gateways over one database, and the model beside them."""

    template: Path
    pairs = Bundle("pairs")
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = TemporaryDirectory()
        folder = Path(self.folder.name)
        database = folder / "gateway.db"
        database.write_bytes(self.template.read_bytes())
        self.engine = open_engine(f"sqlite:///{database}")
        self.clock = FakeClock()
        self.files = KeyPairFiles(folder / "access.pem", folder / "access.pub.pem")
        pem = new_private_key()
        self.files.private.write_bytes(pem)
        self.files.public.write_bytes(write_public_keys([PublicKey(read_private_key(pem).public_key())]))
        # How often the signing key was changed, and the oldest of these whose tokens count.
        self.signing_key = self.oldest_key = 0
        self.users = {name: ModelUser() for name in NAMES}
        self.sessions: list[ModelSession] = []
        self.issued: list[ModelPair] = []
        self.made: list[ModelKey] = []
        self._make_gateways()

    def _make_gateways(self) -> None:
        stored_users, families, stored_keys = SqlUsers(self.engine), SqlRefresh(self.engine), SqlKeys(self.engine)
        self.floors, audit, entropy = Heard(self.clock), FakeAudit(), Entropy()
        self.stored_users = stored_users
        self.access = [
            AccessTokens(open_access_keys(self.files.private, (self.files.public,), self.clock)) for _ in range(2)
        ]
        self.floors.replicas = [
            Replica(
                Authenticator(tokens=tokens, users=stored_users, families=families, keys=stored_keys, clock=self.clock)
            )
            for tokens in self.access
        ]
        hasher, throttle = FakeHasher(), FakeThrottle(FakeRedis())
        factors = FakeFactors(FakeUsers())
        self.desks = [
            Sessions(
                users=stored_users,
                hasher=hasher,
                prover=prover(hasher, throttle, factors, self.clock),
                issuer=tokens,
                families=families,
                floors=self.floors,
                throttle=throttle,
                audit=audit,
                clock=self.clock,
                entropy=entropy,
                lifetimes=LIFETIMES,
            )
            for tokens in self.access
        ]
        self.session_desk = SessionDesk(
            sessions=families,
            users=stored_users,
            floors=self.floors,
            audit=audit,
            clock=self.clock,
            fresh=FreshLogin(families, self.clock, LIFETIMES.session),
        )
        self.key_desk = KeyAdministration(
            keys=stored_keys,
            users=stored_users,
            floors=self.floors,
            audit=audit,
            clock=self.clock,
            entropy=os.urandom,
            fresh=FreshLogin(families, self.clock, LIFETIMES.session),
            ceiling=Limit("key", 3600, 100),
        )
        for name in NAMES:
            self.run(stored_users.add(user(name, password_hash="hash of right")))
        self.run(stored_users.add(user("root", Role.ADMIN)))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def now(self) -> float:
        return self.clock.now().timestamp()

    def teardown(self) -> None:
        self.engine.dispose()
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()

    # --- what callers do ---

    @rule(target=pairs, name=st.sampled_from(NAMES), password=st.sampled_from(["right", "new"]), at=REPLICAS)
    def log_in(self, name: str, password: str, at: int):
        known = self.users[name]
        try:
            given = self.run(self.desks[at].login(name, password, SOURCE))
        except WrongCredentials:
            assert not known.active or password != known.password
            return multiple()
        assert known.active
        assert password == known.password
        session = ModelSession(name, self.now() + LIFETIMES.session.total_seconds())
        self.sessions.append(session)
        return self._given(given, session)

    @rule(target=pairs, pair=pairs, at=REPLICAS)
    def refresh(self, pair: ModelPair, at: int):
        session = pair.session
        good = session.alive and not pair.spent and self.now() < min(pair.refresh_ends_at, session.ends_at)
        if session.alive and pair.spent:
            session.alive = False
        try:
            given = self.run(self.desks[at].refresh(pair.refresh, SOURCE))
        except RefreshRejected:
            assert not good
            return multiple()
        assert good
        pair.spent = True
        return self._given(given, session)

    @rule(pair=pairs, at=REPLICAS)
    def refresh_twice_at_once(self, pair: ModelPair, at: int):
        session = pair.session
        good = session.alive and not pair.spent and self.now() < min(pair.refresh_ends_at, session.ends_at)

        async def both() -> list[object]:
            tries = (self.desks[replica].refresh(pair.refresh, SOURCE) for replica in (at, 1 - at))
            return await asyncio.gather(*tries, return_exceptions=True)

        outcomes = self.run(both())
        assert sum(not isinstance(outcome, RefreshRejected) for outcome in outcomes) == good
        if session.alive and (good or pair.spent):
            # One of them came second: it looks like a thief, and nobody can tell which it was.
            session.alive = False
        pair.spent = pair.spent or good

    @rule(pair=pairs, at=REPLICAS)
    def log_out(self, pair: ModelPair, at: int):
        session = pair.session
        caller = Verified(principal(session.username), self.clock.now(), (), session_id=self._session_id(pair))
        self.run(self.desks[at].logout(caller, SOURCE))
        session.alive = False

    @rule(pair=pairs, as_root=st.booleans())
    def end_one_session(self, pair: ModelPair, *, as_root: bool):
        name = pair.session.username
        session_id = self._session_id(pair)
        by = principal("root", Role.ADMIN) if as_root else principal(name)
        caller = Verified(by, self.clock.now(), (), session_id=None if as_root else session_id)
        try:
            self.run(self.session_desk.end(caller, name, session_id, SOURCE))
        except FreshLoginRequired:
            assert not as_root
            assert self.now() > pair.session.ends_at
            return
        pair.session.alive = False

    @rule(name=st.sampled_from(NAMES))
    def end_all_sessions(self, name: str):
        caller = Verified(principal("root", Role.ADMIN), self.clock.now(), ())
        self.run(self.session_desk.end_all(caller, name, SOURCE))
        self.users[name].generation += 1
        self._end_sessions(name)

    @rule(name=st.sampled_from(NAMES), active=st.booleans())
    def enable_or_disable(self, name: str, *, active: bool):
        self._change(name, UserChange(active=active))
        self.users[name].active = active
        if not active:
            self._end_sessions(name)

    @rule(name=st.sampled_from(NAMES), role=st.sampled_from([Role.OPERATOR, Role.ENGINEER]))
    def change_role(self, name: str, role: Role):
        self._change(name, UserChange(role=role))

    @rule(name=st.sampled_from(NAMES), password=st.sampled_from(["right", "new"]))
    def change_password(self, name: str, password: str):
        changed = self.run(
            self.stored_users.set_password(name, f"hash of {password}", self.clock.now(), check=unchecked)
        )
        self.run(self.floors.raise_to(user_stamp(name, changed.generation)))
        self.users[name].password = password
        self.users[name].generation += 1
        self._end_sessions(name)

    # --- keys that sign, and the clock ---

    @rule(stolen=st.booleans())
    def rotate_signing_keys(self, *, stolen: bool):
        settle, life = timedelta(seconds=2), timedelta(0) if stolen else LIFETIMES.access
        rotate(self.files, settle=settle, life=life, clock=self.clock, sleep=lambda s: self.clock.advance(seconds=s))
        self.clock.advance(seconds=2)
        self.signing_key += 1
        if stolen:
            self.oldest_key = self.signing_key
            # What `KeyWatch` does once it misses the key.
            for replica in self.floors.replicas:
                replica.floors.have_missed()

    @rule(seconds=st.sampled_from([1, 290, 601, 4 * 3600, 25 * 3600]))
    def let_time_pass(self, seconds: int):
        self.clock.advance(seconds=seconds)

    # --- API keys ---

    @rule(target=keys, name=st.sampled_from(NAMES))
    def make_key(self, name: str):
        asked = KeyRequest("line 4", owner=name, scopes=READING)
        made, minted = self.run(self.key_desk.create(ROOT, asked, SOURCE))
        key = ModelKey(made.key_id, name, minted.text)
        self.made.append(key)
        return key

    @rule(key=keys, overlap_s=st.sampled_from([0, 300]))
    def rotate_key(self, key: ModelKey, overlap_s: int):
        if key.there:
            overlap = timedelta(seconds=overlap_s)
            _, minted = self.run(self.key_desk.rotate(ROOT, key.key_id, overlap, SOURCE))
            key.former, key.former_ends_at, key.text = key.text, self.now() + overlap_s, minted.text

    @rule(key=keys, active=st.booleans())
    def switch_key(self, key: ModelKey, *, active: bool):
        if key.there:
            change = KeyChange(active=active)
            self.run(self.key_desk.change(ROOT, key.key_id, change, SOURCE))
            key.active = active

    @rule(key=keys)
    def delete_key(self, key: ModelKey):
        if key.there:
            self.run(self.key_desk.delete(ROOT, key.key_id, SOURCE))
            key.there = False

    # --- what has to hold ---

    @invariant()
    def tokens_come_in_as_the_model_says(self):
        for pair in self.issued[-NEWEST:]:
            known = self.users[pair.session.username]
            good = (
                pair.session.alive
                and known.active
                and pair.generation == known.generation
                and self.now() < pair.access_ends_at
                and pair.signed_by >= self.oldest_key
            )
            self._check(Credential(CredentialKind.TOKEN, pair.access), good=good)

    @invariant()
    def keys_come_in_as_the_model_says(self):
        for key in self.made[-NEWEST:]:
            counts = key.there and key.active and self.users[key.owner].active
            self._check(Credential(CredentialKind.API_KEY, key.text), good=counts)
            if key.former:
                good = counts and self.now() < key.former_ends_at
                self._check(Credential(CredentialKind.API_KEY, key.former), good=good)

    def _check(self, credential: Credential, *, good: bool) -> None:
        for replica in self.floors.replicas:
            assert self.run(replica.lets_in(credential)) is good

    def _given(self, given: TokenPair, session: ModelSession) -> ModelPair:
        now = self.now()
        pair = ModelPair(
            given.access_token,
            given.refresh_token,
            session,
            self.users[session.username].generation,
            access_ends_at=min(now + LIFETIMES.access.total_seconds(), session.ends_at),
            refresh_ends_at=now + LIFETIMES.refresh_idle.total_seconds(),
            signed_by=self.signing_key,
        )
        self.issued.append(pair)
        return pair

    def _change(self, name: str, change: UserChange) -> None:
        changed = self.run(self.stored_users.change(name, change, self.clock.now(), check=unchecked))
        self.run(self.floors.raise_to(user_stamp(name, changed.generation)))
        self.users[name].generation += 1

    def _end_sessions(self, name: str) -> None:
        for session in self.sessions:
            if session.username == name:
                session.alive = False

    def _session_id(self, pair: ModelPair) -> str:
        body = pair.access.split(".")[1]
        found: str = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["sid"]
        return found


def test_the_gateway_agrees_with_the_model_of_sessions(template: Path):
    SessionMachine.template = template
    run_state_machine_as_test(
        SessionMachine,
        settings=settings(
            max_examples=max(STEPS // STEPS_AN_EXAMPLE, 1),
            stateful_step_count=STEPS_AN_EXAMPLE,
            suppress_health_check=list(HealthCheck),
            derandomize=STEPS <= FEW_STEPS,
        ),
    )
