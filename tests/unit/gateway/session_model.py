"""What the model of sessions keeps in mind, and a gateway's memory to compare it with."""

from dataclasses import dataclass, field

from services.gateway.domain.credentials import Authenticator, Credential, Stamp
from services.gateway.domain.floors import KnownFloors
from shared.errors import AppError, Kind
from tests.unit.gateway.fakes import FakeClock


@dataclass
class ModelUser:
    password: str = "right"
    active: bool = True
    # Rises with everything that ends the access tokens issued before.
    generation: int = 1


@dataclass(eq=False)
class ModelSession:
    username: str
    ends_at: float
    alive: bool = True


@dataclass(eq=False)
class ModelPair:
    """What a login or a refresh gave out."""

    access: str
    refresh: str
    session: ModelSession
    generation: int
    access_ends_at: float
    refresh_ends_at: float
    signed_by: int
    spent: bool = False


@dataclass(eq=False)
class ModelKey:
    key_id: str
    owner: str
    text: str
    former: str = ""
    former_ends_at: float = 0.0
    active: bool = True
    there: bool = True


@dataclass
class Replica:
    """One gateway's memory, and what it has heard of."""

    authenticator: Authenticator
    floors: KnownFloors = field(init=False)

    def __post_init__(self) -> None:
        self.floors = KnownFloors(self.authenticator.forget_all)

    async def lets_in(self, credential: Credential) -> bool:
        remembered = self.authenticator.recall(credential.fingerprint)
        if remembered is not None and not self.floors.ended(remembered.stamps):
            return True
        try:
            verified = await self.authenticator.verify(credential)
        except AppError as error:
            if error.kind is not Kind.UNAUTHENTICATED:
                raise
            return False
        if self.floors.ended(verified.stamps):
            return False
        self.authenticator.remember(credential.fingerprint, verified)
        return True


class Heard:
    """Floors that every replica hears of at once: how soon it does is shown elsewhere, with a real Redis."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.replicas: list[Replica] = []

    async def require_reachable(self) -> None: ...

    async def raise_to(self, *stamps: Stamp) -> None:
        for replica in self.replicas:
            for stamp in stamps:
                replica.floors.raise_to(stamp, self.clock.monotonic_s())
