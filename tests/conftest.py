"""What every suite may use: a clock that stands still until told, and fresh signing keys."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


@dataclass
class SteppingClock:
    """A clock that only a test moves."""

    now_s: float = 1_800_000_000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)

    def monotonic_s(self) -> float:
        return self.now_s

    def step(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@dataclass(frozen=True)
class KeyPair:
    """A P-256 key pair in PEM, as token signers and verifiers read it."""

    private: bytes
    public: bytes


@pytest.fixture(scope="session")
def make_key_pair() -> Callable[[], KeyPair]:
    def make() -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        return KeyPair(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        )

    return make


@pytest.fixture(scope="session")
def key_pair(make_key_pair: Callable[[], KeyPair]) -> KeyPair:
    return make_key_pair()
