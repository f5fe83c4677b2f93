"""`tritonclient`, as it is and with its defaults, speaks to a twin: on its own, and through the gateway."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from anyio import to_thread
from pydantic import SecretStr
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from services.gateway.adapters.tables import migrate_gateway
from services.gateway.app import create_app as create_gateway
from services.gateway.bootstrap import new_admin, store_first_admin
from services.gateway.settings import GatewaySettings
from services.twin.app import create_app as create_twin
from services.twin.library import Predictions, Twin
from shared.clock import SystemClock
from shared.jobs.tables import migrate_jobs
from tests.integration.gateway.conftest import serve, write_key, write_secret
from tests.integration.twin.edge_twin import edge_twin
from tests.unit.twin.twin_service import Bench, X, publish

ROWS = X[:7]
NAMES = ("prediction", "lower", "upper")


def tensor(name: str, values: Any, datatype: str = "FP64", *, binary: bool = True) -> InferInput:
    return InferInput(name, list(values.shape), datatype).set_data_from_numpy(values, binary_data=binary)


@contextmanager
def connected(address: str) -> Iterator[InferenceServerClient]:
    client = InferenceServerClient(address)
    try:
        yield client
    finally:
        client.close()


def check_numbers(result: Any, expected: Predictions, names: tuple[str, ...] = NAMES) -> None:
    for name in names:
        np.testing.assert_array_equal(result.as_numpy(name), getattr(expected, name))


def check_protocol(address: str, headers: dict[str, str], twin: Twin) -> None:
    """Everything that the client can ask of this server, and how it hears of what it cannot."""
    expected = twin.predict_many(ROWS)
    with connected(address) as client:
        assert client.is_server_live(headers=headers)
        assert client.is_server_ready(headers=headers)
        assert client.is_model_ready("yield", headers=headers)
        assert client.is_model_ready("yield", "1", headers=headers)
        assert not client.is_model_ready("yield", "2", headers=headers)
        assert client.get_server_metadata(headers=headers)["extensions"] == ["binary_tensor_data"]
        metadata = client.get_model_metadata("yield", headers=headers)
        (wanted,) = metadata["inputs"]
        assert (metadata["versions"], wanted["shape"]) == (["1"], [-1, 2])

        result = client.infer("yield", [tensor(wanted["name"], ROWS, wanted["datatype"])], headers=dict(headers))
        check_numbers(result, expected)
        assert set(result.as_numpy("applicability").tolist()) == {b"in"}
        columns = [tensor("pressure", ROWS[:, 1]), tensor("temp", ROWS[:, :1])]
        check_numbers(client.infer("yield", columns, model_version="1", headers=dict(headers)), expected)
        plain = [tensor("rows", ROWS, binary=False)]
        check_numbers(client.infer("yield", plain, headers=dict(headers)), expected)
        some = [InferRequestedOutput("upper"), InferRequestedOutput("lower", binary_data=False)]
        result = client.infer("yield", plain, outputs=some, request_id="r-1", headers=dict(headers))
        check_numbers(result, expected, ("lower", "upper"))
        assert result.as_numpy("prediction") is None
        assert result.get_response()["id"] == "r-1"
        for packing in ("gzip", "deflate"):
            packed = client.infer(
                "yield", [tensor("rows", ROWS)], parameters={"level": 0.5}, headers=dict(headers),
                request_compression_algorithm=packing, response_compression_algorithm=packing,
            )  # fmt: skip
            check_numbers(packed, twin.predict_many(ROWS, level=0.5))

        refusals: list[tuple[Callable[[], object], str, str]] = [
            (lambda: client.infer("nobody", plain, headers=dict(headers)), "404", "no model named 'nobody'"),
            (lambda: client.infer("yield", plain, model_version="2", headers=dict(headers)), "404", "version '2'"),
            (lambda: client.infer("yield", [tensor("rows", ROWS * 9)], headers=dict(headers)), "422", "valid range"),
            (lambda: client.get_model_config("yield", headers=headers), "404", ""),
            (lambda: client.get_inference_statistics("yield", headers=headers), "404", ""),
            (lambda: client.get_model_repository_index(headers=headers), "404", ""),
            (lambda: client.load_model("yield", headers=headers), "404", ""),
        ]
        for call, status, words in refusals:
            with pytest.raises(InferenceServerException) as caught:
                call()
            assert caught.value.status() == status
            assert words in caught.value.message()
            assert "while decoding the response" not in caught.value.message()


def test_the_client_speaks_to_a_twin_on_its_own(tmp_path: Path, key_pair: Any, clock: Any):
    bench = Bench(tmp_path, key_pair, clock, "")
    bench.trust.enrol(bench.key().public_pem())
    bundle = bench.bundle()
    with edge_twin(bundle, tmp_path) as edge:
        check_protocol(edge.address, {}, Twin.load(bundle, bench.trust))


@pytest.fixture
async def gateway(
    tmp_path: Path, key_pair: Any, sqlite_url: str, redis_url: str
) -> AsyncIterator[tuple[str, dict[str, str], Twin]]:
    """Address of a gateway in front of a twin with one model, the headers that open it, and the model."""
    bench = Bench(tmp_path, key_pair, SystemClock(), sqlite_url, redis_url)
    bench.migrate()
    migrate_gateway(sqlite_url)
    migrate_jobs(sqlite_url)
    identity = tmp_path / "identity.pem"
    identity.touch(mode=0o600)
    identity.write_bytes(key_pair.private)
    admin = new_admin("admin")
    assert await store_first_admin(sqlite_url, admin, SystemClock())
    twin = create_twin(bench.settings(), SystemClock())
    async with serve(twin) as twin_url, bench.client(twin) as client:
        assert (await publish(client, bench.archive())).status_code == 201
        nowhere = "http://127.0.0.1:9"
        settings = GatewaySettings(
            redis_url=SecretStr(redis_url),
            database_url=SecretStr(sqlite_url),
            identity_private_key_file=identity,
            access_key_file=write_key(tmp_path, "access"),
            second_factor_key_file=write_secret(tmp_path, "second-factor"),
            twin_url=twin_url,
            anomaly_url=nowhere,
            planner_url=nowhere,
            drain_s=0,
        )
        async with serve(create_gateway(settings)) as url, httpx.AsyncClient(base_url=url, trust_env=False) as door:
            login = {"username": "admin", "password": admin.password}
            token = (await door.post("/api/v1/auth/login", json=login)).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            yield url.removeprefix("http://"), headers, Twin.load(bench.bundle(), bench.trust)


async def test_the_client_speaks_through_the_gateway_with_a_token(gateway: tuple[str, dict[str, str], Twin]):
    await to_thread.run_sync(check_protocol, *gateway)


async def test_the_gateway_s_own_refusals_are_read_by_the_client_too(gateway: tuple[str, dict[str, str], Twin]):
    def ask(address: str) -> str:
        with connected(address) as client, pytest.raises(InferenceServerException) as caught:
            client.infer("yield", [tensor("rows", ROWS)], headers={"Authorization": "Bearer nonsense"})
        assert "while decoding the response" not in caught.value.message()
        return str(caught.value.status())

    assert await to_thread.run_sync(ask, gateway[0]) == "401"
