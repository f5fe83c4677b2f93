"""A client whose gateway says what a test wants to hear."""

import pytest

from futago import Client
from tests.unit.futago.fake_gateway import PREDICT, FakeGateway, gives


@pytest.fixture
def gateway() -> FakeGateway:
    fake = FakeGateway()
    fake.answer("POST", PREDICT, gives({"prediction": 84.9}))
    fake.answer("GET", "/api/v1/auth/me", gives({"user": "admin"}))
    return fake


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def client(gateway: FakeGateway, slept: list[float]):
    with Client(
        "http://plant.example/", "admin", "secret", transport=gateway.transport(), sleep=slept.append
    ) as client:
        yield client
