"""The Open Inference Protocol over HTTP: tensors in, tensors out, errors in the protocol's form."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest

from shared.clock import SystemClock
from shared.principal import Role
from tests.unit.twin.twin_service import GOOD, Bench, X, publish

ROWS = X[:5]
LENGTH = "Inference-Header-Content-Length"


def tensor(name: str = "rows", values: Any = ROWS, datatype: str = "FP64", **changes: Any) -> dict[str, Any]:
    array = np.asarray(values)
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": array.tolist(), **changes}


def behind(name: str, raw: bytes, shape: list[int], datatype: str) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, key_pair: Any) -> tuple[bytes, bytes]:
    """A bundle and the key that accepts it, made once: no test here changes them."""
    maker = Bench(tmp_path_factory.mktemp("maker"), key_pair, SystemClock(), "")
    return maker.archive(), maker.key().public_pem()


@pytest.fixture
async def client(bench: Bench, signed: tuple[bytes, bytes]) -> AsyncIterator[httpx.AsyncClient]:
    archive, public_key = signed
    bench.trust.enrol(public_key)
    async with bench.twin(batch_limit_rows=10, body_limit_bytes=100_000) as app, bench.client(app) as client:
        assert (await publish(client, archive)).status_code == 201
        yield client


async def infer(client: httpx.AsyncClient, *inputs: dict[str, Any], **members: Any) -> httpx.Response:
    return await client.post("/v2/models/yield/infer", json={"inputs": list(inputs), **members})


async def predicted(client: httpx.AsyncClient) -> dict[str, list[Any]]:
    """What the suite's own call says about the rows."""
    inputs = [dict(zip(GOOD, row, strict=True)) for row in ROWS.tolist()]
    results = (await client.post("/api/v1/twin/batch?level=0.8", json={"inputs": inputs})).json()["results"]
    return {
        "prediction": [result["prediction"] for result in results],
        "lower": [result["prediction_interval"]["lower"] for result in results],
        "upper": [result["prediction_interval"]["upper"] for result in results],
        "applicability": [result["applicability"]["state"] for result in results],
    }


def outputs(response: httpx.Response) -> dict[str, list[Any]]:
    assert response.status_code == 200, response.text
    return {output["name"]: output["data"] for output in response.json()["outputs"]}


@pytest.mark.parametrize(
    "inputs",
    [
        [tensor()],
        [tensor(data=ROWS.ravel().tolist())],
        [tensor("pressure", ROWS[:, 1]), tensor("temp", ROWS[:, :1])],
    ],
    ids=["a matrix", "a flat matrix", "a tensor a feature, in any order"],
)
async def test_rows_and_columns_by_name_are_predicted_as_by_the_own_call(
    client: httpx.AsyncClient, inputs: list[dict[str, Any]]
):
    response = await infer(client, *inputs, id="a-7", parameters={"level": 0.8})
    assert outputs(response) == await predicted(client)
    body = response.json()
    assert (body["model_name"], body["model_version"], body["id"]) == ("yield", "1", "a-7")
    assert {output["datatype"] for output in body["outputs"]} == {"FP64", "BYTES"}
    assert all(output["shape"] == [5] for output in body["outputs"])


@pytest.mark.parametrize(
    ("datatype", "element"), [("FP64", "<f8"), ("FP32", "<f4"), ("INT16", "<i2"), ("UINT64", "<u8")]
)
async def test_raw_bytes_are_read_as_what_they_are_said_to_be(client: httpx.AsyncClient, datatype: str, element: str):
    values = ROWS.astype(element)
    header = json.dumps({"inputs": [behind("rows", values.tobytes(), [5, 2], datatype)]}).encode()
    response = await client.post(
        "/v2/models/yield/infer", content=header + values.tobytes(), headers={LENGTH: str(len(header))}
    )
    assert outputs(response) == outputs(await infer(client, tensor(values=values.astype(float))))


async def test_outputs_come_as_raw_bytes_where_they_are_asked_for(client: httpx.AsyncClient):
    wanted = [{"name": "upper", "parameters": {"binary_data": True}}, {"name": "lower"}, {"name": "applicability"}]
    response = await infer(client, tensor(), outputs=wanted, parameters={"level": 0.8})
    end = int(response.headers[LENGTH])
    upper, lower, state = json.loads(response.content[:end])["outputs"]
    expected = await predicted(client)
    assert (upper["name"], upper["parameters"]) == ("upper", {"binary_data_size": 40})
    np.testing.assert_array_equal(np.frombuffer(response.content[end:], "<f8"), expected["upper"])
    assert (lower["data"], state["data"]) == (expected["lower"], expected["applicability"])


async def test_all_outputs_come_as_raw_bytes_where_the_request_says_so_and_texts_have_their_length(
    client: httpx.AsyncClient,
):
    response = await infer(client, tensor(), parameters={"binary_data_output": True})
    end = int(response.headers[LENGTH])
    sizes = [output["parameters"]["binary_data_size"] for output in json.loads(response.content[:end])["outputs"]]
    assert sizes[:3] == [40, 40, 40]
    assert end + sum(sizes) == len(response.content)
    assert response.content[end + 120 :].startswith(b"\x02\x00\x00\x00in")


@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream"])
@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("GZip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_a_packed_body_is_unpacked(client: httpx.AsyncClient, encoding: str, pack: Any, kind: str):
    body = json.dumps({"inputs": [tensor()]}).encode()
    packed = {"content": pack(body), "headers": {"Content-Encoding": encoding, "Content-Type": kind}}
    assert outputs(await client.post("/v2/models/yield/infer", **packed)) == outputs(await infer(client, tensor()))


@pytest.mark.parametrize(
    ("content", "encoding", "status"),
    [
        (gzip.compress(b" " * 100_001), "gzip", 413),
        (gzip.compress(b"{}")[:-1], "gzip", 422),
        (b"{}", "gzip", 422),
        (b"{}", "br", 415),
    ],
    ids=["too large", "cut off", "not gzip", "unknown"],
)
async def test_a_packed_body_that_cannot_be_unpacked_in_its_limit_is_refused(
    client: httpx.AsyncClient, content: bytes, encoding: str, status: int
):
    response = await client.post("/v2/models/yield/infer", content=content, headers={"Content-Encoding": encoding})
    assert response.status_code == status
    assert response.json()["error"] == response.json()["detail"]


@pytest.mark.parametrize(
    ("inputs", "members", "words"),
    [
        ([], {}, "no tensor"),
        ([tensor(shape=[5, 3])], {}, "does not fill its shape"),
        ([tensor(data=None)], {}, "does not fill its shape"),
        ([tensor(data=["a"] * 10)], {}, "does not fill its shape"),
        ([tensor(data=[True] * 10)], {}, "does not fill its shape"),
        ([tensor(data=[[361.0, 6.0]] * 4 + [[361.0, True]])], {}, "does not fill its shape"),
        ([tensor(data=[[1.0], [1.0, 2.0]])], {}, "does not fill its shape"),
        ([tensor(values=np.empty((0, 2)))], {}, "no row"),
        ([tensor(values=ROWS[np.newaxis])], {}, "shape"),
        ([tensor(values=ROWS[:, :1])], {}, "features as columns"),
        ([tensor(datatype="BYTES")], {}, "'BYTES'"),
        ([tensor(parameters={"shared_memory_region": "r"})], {}, "shared memory"),
        ([tensor("temp", ROWS[:, 0])], {}, "'pressure' is missing"),
        ([tensor("temp", ROWS[:, 0]), tensor("pressure", ROWS[:2, 1])], {}, "differ"),
        ([tensor("temp", ROWS[:, 0]), tensor("temp", ROWS[:, 0])], {}, "twice"),
        ([tensor("temp", ROWS[:, 0]), tensor("presure", ROWS[:, 1])], {}, "'presure' is not a feature"),
        ([tensor(values=[[900.0, 6.0], [361.0, 99.0]])], {}, "99 bar, outside its valid range 4 to 8 bar"),
        ([tensor()], {"outputs": [{"name": "score"}]}, "no output 'score'"),
        ([tensor()], {"outputs": [{"name": "lower", "parameters": {"classification": 3}}]}, "classification"),
        ([tensor()], {"parameters": {"level": 1.5}}, "less than 1"),
        ([tensor()], {"parameters": {"level": True}}, "valid number"),
        ([tensor()], {"parameters": {"level": 0.9999}}, "0.9999"),
        ([{"name": "rows"}], {}, "Field required"),
    ],
)
async def test_a_request_that_cannot_be_used_is_refused_in_the_words_of_the_protocol(
    client: httpx.AsyncClient, inputs: list[dict[str, Any]], members: dict[str, Any], words: str
):
    response = await infer(client, *inputs, **members)
    assert response.status_code == 422
    assert words in response.json()["error"]


async def test_every_row_out_of_range_is_listed(client: httpx.AsyncClient):
    response = await infer(client, tensor(values=[[900.0, 6.0], [361.0, 6.0], [361.0, 99.0]]))
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["/0/temp", "/2/pressure"]


@pytest.mark.parametrize("length", ["-1", "x", "99999999", "0", "5", "9" * 5_000])
async def test_a_wrong_length_of_the_json_is_a_422(client: httpx.AsyncClient, length: str):
    body = json.dumps({"inputs": [tensor()]}).encode()
    response = await client.post("/v2/models/yield/infer", content=body, headers={LENGTH: length})
    assert response.status_code == 422
    assert "error" in response.json()


@pytest.mark.parametrize(
    ("behind_json", "words"), [(b"\0" * 79, "79 left"), (b"\0" * 81, "belong to no tensor")], ids=["less", "more"]
)
async def test_more_or_less_bytes_than_announced_are_a_422(client: httpx.AsyncClient, behind_json: bytes, words: str):
    header = json.dumps({"inputs": [behind("rows", b"\0" * 80, [5, 2], "FP64")]}).encode()
    response = await client.post(
        "/v2/models/yield/infer", content=header + behind_json, headers={LENGTH: str(len(header))}
    )
    assert response.status_code == 422
    assert words in response.json()["error"]


async def test_more_rows_than_a_batch_may_hold_are_a_413(client: httpx.AsyncClient):
    response = await infer(client, tensor(values=X[:11]))
    assert (response.status_code, response.json()["limit_rows"]) == (413, 10)


async def test_a_version_that_is_not_active_can_be_asked_by_name(bench: Bench, client: httpx.AsyncClient):
    await publish(client, bench.archive(version="2", trees=5))
    path = "/v2/models/yield/versions/{}/infer"
    for version, status in (("1", 200), ("2", 200), ("3", 404)):
        response = await client.post(path.format(version), json={"inputs": [tensor()]})
        assert response.status_code == status
        assert response.json().get("model_version") == (version if status == 200 else None)


async def test_a_version_is_asked_without_the_active_one_which_may_not_be_there_to_load(
    bench: Bench, client: httpx.AsyncClient
):
    other = bench.key("other")
    bench.trust.enrol(other.public_pem())
    await publish(client, bench.archive(version="2", trees=5, key=other))
    await client.post("/api/v1/twin/models/yield/activate", json={"version": "2"})
    bench.trust.withdraw(other.key_id)
    async with bench.twin() as app, bench.client(app) as started_later:
        assert (await infer(started_later, tensor())).status_code == 503
        response = await started_later.post("/v2/models/yield/versions/1/infer", json={"inputs": [tensor()]})
        assert response.json()["model_version"] == "1"


async def test_metadata_names_tensors_versions_and_the_order_of_the_columns(bench: Bench, client: httpx.AsyncClient):
    await publish(client, bench.archive(version="2", trees=5))
    body = (await client.get("/v2/models/yield")).json()
    assert (body["name"], body["platform"], set(body["versions"])) == ("yield", "onnx_onnxruntime", {"1", "2"})
    assert body["inputs"] == [{"name": "rows", "datatype": "FP64", "shape": [-1, 2]}]
    names = ["prediction", "lower", "upper", "applicability"]
    assert [output["name"] for output in body["outputs"]] == names
    assert [feature["name"] for feature in body["parameters"]["features"]] == list(GOOD)
    assert (await client.get("/v2/models/yield/versions/2")).json() == body


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 200),
        ("/health/live", 200),
        ("/health/ready", 200),
        ("/models/yield/ready", 200),
        ("/models/yield/versions/1/ready", 200),
        ("/models/yield/versions/9/ready", 404),
        ("/models/nobody/ready", 404),
        ("/models/nobody", 404),
        ("/models/yield/config", 404),
        ("/models/yield/stats", 404),
        ("/models/a%00b", 422),
    ],
)
async def test_each_question_has_its_status_and_each_error_its_member(
    client: httpx.AsyncClient, path: str, status: int
):
    response = await client.get(f"/v2{path}")
    assert response.status_code == status
    assert ("error" in response.json()) is (status != 200)


async def test_who_may_only_read_may_not_infer(bench: Bench, client: httpx.AsyncClient):
    async with bench.twin() as app, bench.client(app, Role.VIEWER) as viewer:
        response = await infer(viewer, tensor())
    assert response.status_code == 403
    assert "predict" in response.json()["error"]


async def test_a_caller_limited_to_assets_names_one_of_them(bench: Bench, client: httpx.AsyncClient):
    async with bench.twin() as app, bench.client(app, assets=("acme.osaka",)) as limited:
        for parameters, status in (({}, 403), ({"asset": "acme.kobe"}, 403), ({"asset": "acme.osaka.r1"}, 200)):
            assert (await infer(limited, tensor(), parameters=parameters)).status_code == status
