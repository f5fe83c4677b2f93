"""One gateway process with short time limits, and a service behind it that notes every byte."""

from collections.abc import Iterator

import pytest

from tests.integration.conftest import Valkey
from tests.integration.gateway.wire.gateway_process import GatewayProcess, gateway_process
from tests.integration.gateway.wire.recorder import Recorder

LIMITS = {"GATEWAY_HEAD_TIMEOUT_S": "1", "GATEWAY_STALL_TIMEOUT_S": "1", "GATEWAY_KEEP_ALIVE_S": "1"}


@pytest.fixture(scope="module")
def services() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture(scope="module")
def gateway(services: Recorder, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with gateway_process(tmp_path_factory.mktemp("wire"), valkey.url, services.url, LIMITS) as gateway:
        yield gateway


@pytest.fixture
def recorder(services: Recorder) -> Recorder:
    services.forget()
    return services
